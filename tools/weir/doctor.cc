#include "tools/weir/commands.h"
namespace weir::tool {
void AddDoctor(CLI::App&, Run&) {}
}  // namespace weir::tool
