// Plain lines, for scripts and for terminals that can do no more.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_LINE_VIEW_H_
#define WEIR_TOOLS_DEMO_PROGRAM_LINE_VIEW_H_

#include "tools/demo_program/view.h"

namespace weir::demo {

class LineView : public View {
 public:
  void Event(const std::string& text) override;
  void Show(const Scoreboard& scoreboard) override;  // prints once a second

 private:
  bool has_heading_ = false;
  double next_s_ = 1;
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_LINE_VIEW_H_
