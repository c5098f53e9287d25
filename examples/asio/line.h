// The topic, shared by both programs. Its messages are lines of text: bytes, as many as each has.
#ifndef WEIR_EXAMPLES_ASIO_LINE_H_
#define WEIR_EXAMPLES_ASIO_LINE_H_

inline constexpr char kTopic[] = "asio/lines";

#endif  // WEIR_EXAMPLES_ASIO_LINE_H_
