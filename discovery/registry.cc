#include "discovery/registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "discovery/change.h"
#include "discovery/cleanup.h"
#include "middleware/base/crash_point.h"
#include "middleware/base/strings.h"
#include "middleware/base/text.h"
#include "middleware/os/clock.h"
#include "middleware/os/directory.h"
#include "middleware/os/process.h"
#include "middleware/os/user.h"

namespace weir::discovery {
namespace {

// NotFound from a directory that was just removed is tried again this often without asking the clock: each time
// somebody must have left, but a root whose parent does not exist says NotFound too, and should say so soon.
constexpr uint32_t kRoundsMax = 100;
constexpr uint64_t kRoundPauseNs = 200'000;

std::string NodeNameOrDefault(std::string_view given) {
  if (!given.empty()) return std::string(given);
  std::string name = os::ProcessName(os::Pid());
  // The name of a process may be any bytes.
  return CheckNodeName(name).ok() ? name : absl::StrCat("process-", os::Pid());
}

// After a join for which something was missing: what it made goes again, unless somebody else is there by now. A
// registry whose lock we have and in which no node stands is nobody's; who waits for its lock finds that it lost its
// name, and starts again. Needs two descriptors, which are those of the join.
void RemoveUnused(const Root& root, const std::string& domain) {
  if (auto directory = os::OpenDomainDirectory(root.path, domain, os::IfMissing::kFail); directory.ok()) {
    directory->root.reset();
    const int dir_fd = directory->dir.get();
    auto lock = os::LockDescriptor::Open(dir_fd, kRegistryFileName);
    if (lock.ok()) {
      if (!lock->TryLock(kChangeLockByte).value_or(false)) return;
      if (!os::SameFile(lock->get(), dir_fd, kRegistryFileName).value_or(false)) return;
      const absl::StatusOr<RegistryFile> file = OpenRegistryFile(dir_fd, os::Access::kRead, root.path);
      if (!file.ok()) return;
      for (uint32_t i = 0; i < kNodesMax; ++i) {
        if (StateWord(file->tables.node(i).state) != static_cast<uint32_t>(NodeState::kFree)) return;
      }
      os::RemoveFile(dir_fd, kRegistryFileName).IgnoreError();
    }
  }
  os::RemoveDomainDirectory(root.path, domain, root.is_default ? os::RemoveRoot::kIfEmpty : os::RemoveRoot::kNo)
      .IgnoreError();
}

}  // namespace

Registry::Registry(const DomainOptions& options, Root root)
    : options_(options),
      root_(std::move(root)),
      domain_(options.domain),
      path_(absl::StrCat(root_.path, "/", domain_)) {}

std::string Registry::Object() const {
  return absl::StrCat("the registry of domain ", path_);
}

absl::StatusOr<std::shared_ptr<Registry>> Registry::Join(const DomainOptions& options, std::string_view node_name,
                                                         uint32_t node_flags) {
  if (absl::Status status = CheckDomainName(options.domain); !status.ok()) return status;
  const std::string name = NodeNameOrDefault(node_name);
  if (absl::Status status = CheckNodeName(name); !status.ok()) return status;
  const absl::StatusOr<Root> root = ResolveRoot(options.root);
  if (!root.ok()) return root.status();
  const absl::StatusOr<os::ForkGuard> guard = os::ForkGuard::Current();
  if (!guard.ok()) return guard.status();

  const uint64_t deadline_ns = DeadlineAfter(options.timeout);
  for (uint32_t round = 1;; ++round) {
    // Not make_shared: the constructor is private.
    std::shared_ptr<Registry> registry(new Registry(options, *root));
    registry->guard_ = *guard;
    registry->left_.store(true, std::memory_order_relaxed);  // until there is something to leave; one thread has it yet
    absl::Status status = registry->Open();
    if (status.ok()) status = registry->Enter(deadline_ns, name, node_flags);
    if (status.ok()) return registry;
    if (absl::IsResourceExhausted(status)) {
      registry.reset();  // its descriptors may be what is missing
      RemoveUnused(*root, options.domain);
    }
    if (!absl::IsNotFound(status)) return status;
    if (round >= kRoundsMax || os::MonotonicNow() >= deadline_ns) {
      return absl::Status(status.code(), absl::StrCat("cannot join domain ", registry->path_, ": ", status.message()));
    }
    if (round > 1) os::SleepFor(kRoundPauseNs);
  }
}

// Directory, registry file, lock descriptors: from what has a name now. Checked again once the lock is held.
absl::Status Registry::Open() {
  absl::StatusOr<os::DomainDirectory> directory = os::OpenDomainDirectory(root_.path, domain_, os::IfMissing::kCreate);
  if (!directory.ok()) return directory.status();
  directory_ = std::move(directory->dir);
  modes_ = directory->modes;

  absl::StatusOr<RegistryFile> file = OpenRegistryFile(directory_.get(), os::Access::kReadWrite, path_);
  if (absl::IsNotFound(file.status())) {
    const absl::Status made = CreateRegistryFile(directory_.get(), modes_.shared_write);
    if (!made.ok() && !absl::IsAlreadyExists(made)) {
      return absl::Status(made.code(),
                          absl::StrCat("cannot make the registry of domain ", path_, ": ", made.message()));
    }
    file = OpenRegistryFile(directory_.get(), os::Access::kReadWrite, path_);
  }
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  tables_ = file_->tables;
  liveness_ = Liveness(tables_, file_->file.get());

  absl::StatusOr<os::LockDescriptor> lock =
      os::LockDescriptor::Open(directory_.get(), kRegistryFileName, file_->file.get());
  absl::StatusOr<os::LockDescriptor> life =
      os::LockDescriptor::Open(directory_.get(), kRegistryFileName, file_->file.get());
  for (const absl::Status& status : {lock.status(), life.status()}) {
    // Another file under the name by now: as good as gone.
    if (absl::IsFailedPrecondition(status)) return absl::NotFoundError(status.message());
    if (!status.ok()) return status;
  }
  lock_.emplace(*std::move(lock), tables_.header(), Object(), options_.timeout);
  life_ = *std::move(life);
  return absl::OkStatus();
}

absl::Status Registry::Enter(uint64_t deadline_ns, std::string_view node_name, uint32_t node_flags) {
  if (absl::Status status = lock_->LockBefore(deadline_ns); !status.ok()) return status;
  absl::Status status = CheckPlace();
  if (!status.ok()) {
    if (absl::IsFailedPrecondition(status)) status = absl::NotFoundError(status.message());
  } else {
    Cleanup cleanup(tables_, directory_, liveness_, Cleanup::kNoNode);
    cleanup.Run();
    status = cleanup.RemoveOrphanFiles();
    if (status.ok()) status = TakePlace(node_name, node_flags);
  }
  lock_->Unlock();
  return status;
}

absl::Status Registry::TakePlace(std::string_view node_name, uint32_t node_flags) {
  for (uint32_t i = 0; i < kNodesMax; ++i) {
    NodeEntry& entry = tables_.node(i);
    if (StateWord(entry.state) != static_cast<uint32_t>(NodeState::kFree)) continue;
    const absl::StatusOr<bool> locked = life_.TryLock(NodeLockByte(i));
    if (!locked.ok()) return locked.status();
    if (!*locked) continue;  // somebody leaves without having had the registry's lock
    WEIR_CRASH_POINT("registry.join.after_life");
    node_ = i;
    node_incarnation_ = NextIncarnation(tables_.header());
    node_name_ = std::string(node_name);
    {
      const EntryWrite write(entry.version);
      Put(entry.incarnation, node_incarnation_);
      Put(entry.pid, static_cast<uint32_t>(os::Pid()));
      Put(entry.uid, os::EffectiveUser());
      Put(entry.started_ns, absl::GetCurrentTimeNanos());
      Put(entry.flags, node_flags);
      WEIR_CRASH_POINT("registry.join.half_written");
      PutName(entry.name, node_name);
    }
    WEIR_CRASH_POINT("registry.join.before_live");
    PutState(entry.state, NodeState::kLive);
    WEIR_CRASH_POINT("registry.join.after_live");
    left_.store(false, std::memory_order_relaxed);  // one thread has this registry yet
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("domain ", path_, " has ", kNodesMax, " nodes, and more are not possible"));
}

Registry::~Registry() {
  if (guard_.InOwner()) Leave().IgnoreError();
}

absl::Status Registry::Leave() {
  if (absl::Status status = guard_.Check(); !status.ok()) return status;
  // relaxed: only says which of several callers does it. What they did before is ordered by the lock.
  if (left_.exchange(true, std::memory_order_relaxed)) return absl::OkStatus();
  WEIR_CRASH_POINT("registry.leave.begin");
  const absl::Status locked = lock_->Lock();
  // From here on this node is as dead as if its process had been killed, and is cleaned up after like that: by this
  // thread, if it has the lock.
  life_ = os::LockDescriptor();
  WEIR_CRASH_POINT("registry.leave.after_life");
  if (!locked.ok()) return locked;

  Cleanup cleanup(tables_, directory_, liveness_, Cleanup::kNoNode);
  cleanup.Run();
  absl::Status status;
  bool removed = false;
  const bool is_last = [this] {
    for (uint32_t i = 0; i < kNodesMax; ++i) {
      if (StateWord(tables_.node(i).state) != static_cast<uint32_t>(NodeState::kFree)) return false;
    }
    return true;
  }();
  // In a directory or registry that was replaced there is nothing of ours left to remove.
  if (is_last && CheckPlace().ok()) {
    // A death in the middle leaves a registry without nodes under its name, as good as new for whoever comes next. Who
    // waits for its lock meanwhile finds that it lost its name, and starts again.
    WEIR_CRASH_POINT("registry.leave.before_files");
    status = cleanup.RemoveAllFiles();
    WEIR_CRASH_POINT("registry.leave.after_files");
    removed = status.ok();
  }
  lock_->Unlock();
  if (removed) {
    status = os::RemoveDomainDirectory(root_.path, domain_,
                                       root_.is_default ? os::RemoveRoot::kIfEmpty : os::RemoveRoot::kNo);
  }
  return status;
}

absl::Status Registry::CheckPlace() const {
  const absl::StatusOr<os::DomainDirectory> now = os::OpenDomainDirectory(root_.path, domain_, os::IfMissing::kFail);
  if (!now.ok() && !absl::IsNotFound(now.status())) return now.status();
  if (now.ok()) {
    const absl::StatusOr<bool> same_directory = os::SameFile(directory_.get(), now->dir.get());
    if (!same_directory.ok()) return same_directory.status();
    if (*same_directory) {
      const absl::StatusOr<bool> same_file = os::SameFile(file_->file.get(), directory_.get(), kRegistryFileName);
      if (!same_file.ok()) return same_file.status();
      if (*same_file) return absl::OkStatus();
    }
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the directory or registry of domain ", path_,
                   " was removed or replaced after this node joined. Existing connections go on; create a new node"));
}

absl::Status Registry::CheckUsable() const {
  if (absl::Status status = guard_.Check(); !status.ok()) return status;
  // relaxed: a call that races with Leave() may come before or after it.
  if (left_.load(std::memory_order_relaxed)) {
    return absl::FailedPreconditionError(absl::StrCat("node ", Quoted(node_name_), " has left domain ", path_));
  }
  return CheckPlace();
}

absl::StatusOr<std::unique_ptr<Registry::Change>> Registry::BeginChange() {
  if (absl::Status status = guard_.Check(); !status.ok()) return status;
  if (absl::Status status = lock_->Lock(); !status.ok()) return status;
  auto change = std::make_unique<Change>(*lock_);
  if (absl::Status status = CheckUsable(); !status.ok()) return status;
  // If somebody took us for dead (all our descriptors were closed behind our back), we are.
  if (!liveness_.IsAlive(node_, node_incarnation_)) {
    return absl::FailedPreconditionError(
        absl::StrCat("node ", Quoted(node_name_), " is no longer registered in domain ", path_,
                     ": it lost its lock (were all file descriptors of the process closed?)"));
  }
  Cleanup(tables_, directory_, liveness_, node_).Run();
  return change;
}

absl::Status Registry::CleanUp() {
  const absl::StatusOr<std::unique_ptr<Change>> change = BeginChange();
  if (!change.ok()) return change.status();
  return Cleanup(tables_, directory_, liveness_, node_).RemoveOrphanFiles();
}

absl::Status Registry::LockTopic(uint32_t topic) const {
  absl::Status status =
      file_->mapping.LockRange(kTopicsOffset + uint64_t{topic} * sizeof(TopicEntry), sizeof(TopicEntry));
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(Object(), ", entry of a topic: ", status.message()));
}

bool Registry::IsNodeAlive(uint32_t node, Incarnation incarnation) const {
  if (!guard_.InOwner()) return true;
  if (node == node_ && incarnation == node_incarnation_) {
    return !left_.load(std::memory_order_relaxed);  // relaxed: as in CheckUsable()
  }
  return liveness_.IsAlive(node, incarnation);
}

std::optional<TopicRecord> Registry::FindTopic(std::string_view name) const {
  if (!guard_.InOwner()) return std::nullopt;
  return tables_.FindTopic(name);
}

absl::StatusOr<std::string> Registry::ReadSchema(const Hash128& hash) const {
  if (absl::Status status = guard_.Check(); !status.ok()) return status;
  return ReadSchemaFile(directory_.get(), hash);
}

}  // namespace weir::discovery
