// The tests run in a child of the process that was started. The parent does three things the tests cannot do for
// themselves: it ends a hang (WEIR_TEST_DEADLINE_S seconds, default 600), removes what a killed test left in /dev/shm,
// and calls a test that ended well but left something a failure.
//
// In a debugger: WEIR_TEST_SUPERVISED=0 gdb <test> runs the tests in the process that was started.
#ifndef WEIR_TESTS_SUPPORT_SUPERVISOR_H_
#define WEIR_TESTS_SUPPORT_SUPERVISOR_H_

namespace weir::test {

// Set for the tests: the pid of the test process, or 0 where there is no supervisor.
inline constexpr char kSupervisedVariable[] = "WEIR_TEST_SUPERVISED";

// Returns in the child only; the parent ends with the child's exit code. Call it first in main(), before any thread.
void SuperviseThisProcess();

}  // namespace weir::test

#endif  // WEIR_TESTS_SUPPORT_SUPERVISOR_H_
