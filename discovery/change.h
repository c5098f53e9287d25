// The registry's lock, held: whoever has one of these may change the tables. Private to discovery/.
#ifndef WEIR_DISCOVERY_CHANGE_H_
#define WEIR_DISCOVERY_CHANGE_H_

#include "discovery/registry.h"
#include "discovery/registry_lock.h"

namespace weir::discovery {

class Registry::Change {
 public:
  explicit Change(RegistryLock& lock) : lock_(lock) {}
  ~Change() { lock_.Unlock(); }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  RegistryLock& lock_;
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_CHANGE_H_
