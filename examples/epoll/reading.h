// The message, shared by both programs.
#ifndef WEIR_EXAMPLES_EPOLL_READING_H_
#define WEIR_EXAMPLES_EPOLL_READING_H_

#include <weir/describe.h>

#include <cstdint>

struct Reading {
  static constexpr char kTopic[] = "epoll/temperature";

  uint32_t number;
  float celsius;
};
WEIR_STRUCT(Reading, number, celsius);

#endif  // WEIR_EXAMPLES_EPOLL_READING_H_
