// The live table on a terminal, by ncurses: the machine, who gets what at which rate, what happened, and below it the
// picture that the Image topic carries.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_TERMINAL_VIEW_H_
#define WEIR_TOOLS_DEMO_PROGRAM_TERMINAL_VIEW_H_

#include <memory>
#include <string>
#include <vector>

#include "tools/demo_program/view.h"

struct screen;  // of ncurses

namespace weir::demo {

// One at a time. The destructor gives the terminal back as it was.
class TerminalView : public View {
 public:
  // Nothing if standard output is no terminal that can show a table.
  static std::unique_ptr<TerminalView> Open();
  ~TerminalView() override;
  TerminalView(const TerminalView&) = delete;
  TerminalView& operator=(const TerminalView&) = delete;

  void Event(const std::string& text) override;
  void Show(const Scoreboard& scoreboard) override;
  bool WantsToQuit() override;
  bool IsTransient() const override { return true; }

 private:
  explicit TerminalView(screen* terminal);
  void ShowTable(const Scoreboard& scoreboard);
  void ShowPicture(const weir::Sample<msg::Image>& sample);
  void Line(const std::string& text, int attributes = 0);

  screen* terminal_;
  int y_ = 0;  // the line to write next
  std::vector<std::string> events_;
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_TERMINAL_VIEW_H_
