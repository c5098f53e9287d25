// weir_bench_realtime: what the advice of docs/realtime.md is worth on this machine.
#include <CLI/CLI.hpp>
#include <cstdint>

#include "bench/realtime/parts.h"

int main(int argc, char** argv) {
  CLI::App app("Measures what the options for real-time programs are worth on this machine.");
  app.require_subcommand(1);
  uint64_t mib = 512;
  int rounds = 5;
  double seconds = 2;
  CLI::App* huge = app.add_subcommand("huge", "pools in small and in huge pages");
  huge->add_option("--mib", mib, "length of the pool [MiB]")->check(CLI::Range(16, 16384));
  huge->add_option("--rounds", rounds, "pools of each kind, by turns; medians are shown")->check(CLI::Range(1, 100));
  CLI::App* interrupts = app.add_subcommand("interrupts", "a spinning publisher beside a process that goes to sleep");
  interrupts->add_option("--seconds", seconds, "how long each way is counted")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return huge->parsed() ? weir::bench::MeasureHugePages(mib << 20, rounds) : weir::bench::CountInterrupts(seconds);
}
