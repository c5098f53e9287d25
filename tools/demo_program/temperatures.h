// The machine's thermometers, if it has any: /sys/class/hwmon, and of /sys/class/thermal what hwmon does not show.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_TEMPERATURES_H_
#define WEIR_TOOLS_DEMO_PROGRAM_TEMPERATURES_H_

#include <string>
#include <vector>

#include "tools/demo_program/text_file.h"

namespace weir::demo {

struct Temperature {
  std::string name = {};  // such as "coretemp Package id 0"
  double celsius = 0;
};

class Thermometers {
 public:
  // `root`: the folder that holds "sys", "" for the machine itself. Thermometers that come later are not found.
  explicit Thermometers(const std::string& root);

  // Can take milliseconds: some answer over a slow bus. Those that do not answer are left out.
  std::vector<Temperature> Read();

 private:
  struct Thermometer {
    std::string name;
    TextFile millidegrees;
  };
  void FindHwmon(const std::string& folder);
  void FindThermalZones(const std::string& folder);

  std::vector<Thermometer> thermometers_;
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_TEMPERATURES_H_
