// The messages, shared by both programs.
#ifndef WEIR_EXAMPLES_COROUTINES_SQUARE_H_
#define WEIR_EXAMPLES_COROUTINES_SQUARE_H_

#include <weir/describe.h>

#include <cstdint>

struct Question {
  static constexpr char kTopic[] = "square/questions";

  uint64_t number;
};
WEIR_STRUCT(Question, number);

struct Answer {
  static constexpr char kTopic[] = "square/answers";

  uint64_t number;
  uint64_t square;
};
WEIR_STRUCT(Answer, number, square);

#endif  // WEIR_EXAMPLES_COROUTINES_SQUARE_H_
