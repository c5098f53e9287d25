// The folder that holds a domain's files, looked at from outside: the demo does not take the library's word for what is
// left behind.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_DOMAIN_FOLDER_H_
#define WEIR_TOOLS_DEMO_PROGRAM_DOMAIN_FOLDER_H_

#include <set>
#include <string>

namespace weir::demo {

class DomainFolder {
 public:
  // In $WEIR_ROOT, else in /dev/shm/weir-<uid>.
  explicit DomainFolder(const std::string& domain);

  const std::string& path() const { return path_; }
  bool Exists() const;
  std::set<std::string> Files() const;

 private:
  std::string path_;
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_DOMAIN_FOLDER_H_
