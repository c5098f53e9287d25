// How a running demo is shown.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_VIEW_H_
#define WEIR_TOOLS_DEMO_PROGRAM_VIEW_H_

#include <string>

#include "tools/demo_program/scoreboard.h"

namespace weir::demo {

class View {
 public:
  virtual ~View() = default;

  // Something happened. The text begins with the time.
  virtual void Event(const std::string& text) = 0;
  // How things stand; called some ten times a second.
  virtual void Show(const Scoreboard& scoreboard) = 0;
  // Whether the user asked for the end.
  virtual bool WantsToQuit() { return false; }
  // Whether what was shown is gone afterwards.
  virtual bool IsTransient() const { return false; }
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_VIEW_H_
