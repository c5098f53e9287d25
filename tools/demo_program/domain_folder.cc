#include "tools/demo_program/domain_folder.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace weir::demo {

DomainFolder::DomainFolder(const std::string& domain) {
  const char* root = std::getenv("WEIR_ROOT");
  path_ = root != nullptr && *root != '\0' ? root : "/dev/shm/weir-" + std::to_string(geteuid());
  path_ += "/" + domain;
}

bool DomainFolder::Exists() const {
  std::error_code error;
  return std::filesystem::exists(path_, error) || error;  // what cannot be looked at is not gone
}

std::set<std::string> DomainFolder::Files() const {
  std::set<std::string> files;
  std::error_code ignored;
  for (std::filesystem::directory_iterator entry(path_, ignored), end; entry != end; entry.increment(ignored)) {
    files.insert(entry->path().filename().string());
  }
  return files;
}

}  // namespace weir::demo
