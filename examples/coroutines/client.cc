// Asks for some squares, one after the other, each with a time limit.
#include <weir/coroutine.h>
#include <weir/weir.h>

#include <cstdio>

#include "square.h"

namespace {

weir::Task<absl::StatusOr<uint64_t>> Square(uint64_t number, weir::Publisher<Question>& questions,
                                            weir::Subscriber<Answer>& answers) {
  auto loan = questions.Loan();
  if (!loan.ok()) co_return loan.status();
  loan->value() = {.number = number};
  auto sent = questions.Publish(*std::move(loan));
  if (!sent.ok()) co_return sent.status();
  for (;;) {
    auto answer = co_await answers.NextFor(absl::Seconds(20));
    if (!answer) co_return answers.StatusOf(answer.why());
    if ((*answer)->number == number) co_return (*answer)->square;  // else it answers another client
  }
}

weir::Task<> AskAll(weir::Publisher<Question>& questions, weir::Subscriber<Answer>& answers, absl::Status& result) {
  for (const uint64_t number : {3, 14, 159, 2653}) {
    const absl::StatusOr<uint64_t> square = co_await Square(number, questions, answers);
    result = square.status();
    if (!result.ok()) co_return;
    std::printf("%llu squared is %llu\n", static_cast<unsigned long long>(number),
                static_cast<unsigned long long>(*square));
  }
}

absl::Status Run() {
  auto node = weir::Node::Create({.name = "square-client"});
  if (!node.ok()) return node.status();
  auto answers = node->CreateSubscriber<Answer>(Answer::kTopic);
  if (!answers.ok()) return answers.status();
  auto questions = node->CreatePublisher<Question>(Question::kTopic);
  if (!questions.ok()) return questions.status();
  if (auto status = questions->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;
  auto loop = weir::Loop::Create();
  if (!loop.ok()) return loop.status();

  absl::Status result;
  loop->Spawn(AskAll(*questions, *answers, result));
  if (auto status = loop->Run(); !status.ok()) return status;
  return result;
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
