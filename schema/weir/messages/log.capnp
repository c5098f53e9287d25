@0xd2778a2fcb8edf3d;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::msg");

struct Log @0xf1bf3031b7c1531f {
  # One line of a program's log.

  stampNs @0 :UInt64;
  # [ns, CLOCK_MONOTONIC] When it was written.

  utcNs @1 :UInt64;
  # [ns, CLOCK_REALTIME] The same moment, for other machines. 0 if the publisher did not look.

  severity @2 :Severity;
  # How bad it is.

  source @3 :Text;
  # Who wrote it: a node's or a module's name.

  text @4 :Text;
  # The line, without time and severity and without a line feed at its end.

  processId @5 :UInt32;
  # [index] The process, as it sees itself. 0 if not said.

  threadId @6 :UInt32;
  # [index] The kernel's number of the thread. 0 if not said.

  file @7 :Text;
  # Source file. Empty if not said.

  line @8 :UInt32;
  # [index] Line in the source file, from 1. 0 if not said.

  function @9 :Text;
  # Function in the source file. Empty if not said.

  fields @10 :List(Field);
  # What the line speaks of, for programs to read.

  struct Field @0xae0e875fab5c5e5a {
    name @0 :Text;
    # Such as "order".

    value @1 :Text;
    # As text.
  }

  enum Severity @0xa301d6c25e69c4b6 {
    # By rising severity. The C++ names have a prefix, because DEBUG and ERROR are often macros.

    unknown @0 $Cxx.name("severityUnknown");
    # Not said.

    trace @1 $Cxx.name("severityTrace");
    # Every step.

    debug @2 $Cxx.name("severityDebug");
    # What the author of the program wants to know.

    info @3 $Cxx.name("severityInfo");
    # What an operator wants to know.

    warning @4 $Cxx.name("severityWarning");
    # Not as it should be; the program goes on.

    error @5 $Cxx.name("severityError");
    # Something did not succeed.

    fatal @6 $Cxx.name("severityFatal");
    # The program ends.
  }
}
