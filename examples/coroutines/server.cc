// Answers questions until Ctrl-C, each in a coroutine of its own, all on one thread.
#include <signal.h>
#include <weir/coroutine.h>
#include <weir/weir.h>

#include <cstdio>

#include "square.h"

namespace {

weir::Loop* running_loop = nullptr;  // for the signal handler

// Has its own sample, so that the question stays where it is while this thinks.
weir::Task<> AnswerOne(weir::Sample<Question> question, weir::Publisher<Answer>& answers, absl::Status& result) {
  if (!co_await weir::Loop::Sleep(absl::Milliseconds(10))) co_return;  // thinks; the others run
  auto loan = answers.Loan();
  if (!loan.ok()) {
    result = loan.status();
    co_return;
  }
  loan->value() = {.number = question->number, .square = question->number * question->number};
  result.Update(answers.Publish(*std::move(loan)).status());
}

weir::Task<> AnswerAll(weir::Loop& loop, weir::Subscriber<Question>& questions, weir::Publisher<Answer>& answers,
                       absl::Status& result) {
  int count = 0;
  while (auto question = co_await questions.Next()) {
    loop.Spawn(AnswerOne(*std::move(question), answers, result));
    ++count;
  }
  std::printf("stopped after %d questions\n", count);  // Stop() ends a Next()
}

absl::Status Run() {
  auto node = weir::Node::Create({.name = "square-server"});
  if (!node.ok()) return node.status();
  auto answers = node->CreatePublisher<Answer>(Answer::kTopic);
  if (!answers.ok()) return answers.status();
  auto questions = node->CreateSubscriber<Question>(Question::kTopic);
  if (!questions.ok()) return questions.status();
  auto loop = weir::Loop::Create();  // last, so that it goes first: its tasks refer to what is above
  if (!loop.ok()) return loop.status();

  running_loop = &*loop;
  signal(SIGINT, [](int) { running_loop->Stop(); });
  absl::Status result;
  loop->Spawn(AnswerAll(*loop, *questions, *answers, result));
  if (auto status = loop->Run(); !status.ok()) return status;
  signal(SIGINT, SIG_DFL);
  return result;
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
