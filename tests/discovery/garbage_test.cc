// Files that are not what they should be, and a registry into which somebody writes garbage: an error, never a crash.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "discovery/departed.h"
#include "discovery/registry.h"
#include "tests/discovery/registry_fixture.h"
#include "tests/support/random.h"

namespace weir::discovery {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

class GarbageTest : public RegistryTest {
 protected:
  std::string RegistryPath() const { return root_.path() + "/" + kDomain + "/registry"; }

  // A domain whose registry file has that content.
  void MakeRegistry(const std::string& content, mode_t mode = 0600) const {
    const std::string directory = root_.path() + "/" + kDomain;
    ASSERT_TRUE(mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST);
    const int fd = open(RegistryPath().c_str(), O_CREAT | O_TRUNC | O_WRONLY, mode);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    close(fd);
  }

  std::string GoodRegistry() {
    std::string content(kRegistryFileBytes, '\0');
    auto node = Join();
    const int fd = open(RegistryPath().c_str(), O_RDONLY);
    EXPECT_EQ(read(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    close(fd);
    return content;
  }
};

TEST_F(GarbageTest, AnotherLayoutNumberIsNamed) {
  std::string content = GoodRegistry();
  const uint32_t number = kLayoutNumber + 1;
  std::memcpy(content.data() + offsetof(RegistryFacts, layout), &number, sizeof(number));
  MakeRegistry(content);
  for (const absl::Status& status :
       {Registry::Join(Options(), "n").status(), Snapshot::Open(root_.path(), kDomain).status()}) {
    EXPECT_TRUE(IsError(status, StatusCode::kFailedPrecondition,
                        {"layout number " + std::to_string(number), "has " + std::to_string(kLayoutNumber)}));
  }
}

TEST_F(GarbageTest, AFileThatIsNoRegistryIsDataLoss) {
  std::string content = GoodRegistry();
  std::string sizes = content;
  sizes[offsetof(RegistryFacts, topic_count)] ^= 1;
  std::string no_magic = content;
  no_magic[0] ^= 1;
  std::string offset = content;
  offset[offsetof(RegistryFacts, endpoints_offset) + 5] ^= 1;
  for (const std::string& bad :
       {std::string(), std::string("registry"), content.substr(0, kPageBytes - 1), content.substr(0, kPageBytes),
        content.substr(0, content.size() - 1), content + "x", std::string(content.size(), 'x'), sizes, no_magic, offset,
        std::string(content.size(), '\0')}) {
    MakeRegistry(bad);
    EXPECT_TRUE(IsError(Registry::Join(Options(), "n").status(), StatusCode::kDataLoss, {RegistryPath()}));
    EXPECT_TRUE(IsError(Snapshot::Open(root_.path(), kDomain).status(), StatusCode::kDataLoss));
  }
}

TEST_F(GarbageTest, ARegistryThatTheWorldMayWriteOrThatIsALinkIsRefused) {
  const std::string content = GoodRegistry();
  MakeRegistry(content);
  ASSERT_EQ(chmod(RegistryPath().c_str(), 0666), 0);
  EXPECT_TRUE(IsError(Registry::Join(Options(), "n").status(), StatusCode::kPermissionDenied));
  ASSERT_EQ(rename(RegistryPath().c_str(), (root_.path() + "/elsewhere").c_str()), 0);
  ASSERT_EQ(chmod((root_.path() + "/elsewhere").c_str(), 0600), 0);
  ASSERT_EQ(symlink((root_.path() + "/elsewhere").c_str(), RegistryPath().c_str()), 0);
  EXPECT_TRUE(IsError(Registry::Join(Options(), "n").status(), StatusCode::kFailedPrecondition));
}

// Uses every call that reads the registry; the answers may be anything.
void UseEverything(Registry& registry, const Snapshot& snapshot) {
  registry.CleanUp().IgnoreError();
  for (const char* name : {"t", "u"}) {
    registry.FindTopic(name);
    if (absl::StatusOr<SubscriberSlot> slot = AddSubscriber(registry, Spec(name)); slot.ok()) {
      registry.CloseSubscriber(*slot).IgnoreError();
      registry.RemoveSubscriber(*slot).IgnoreError();
    }
    if (absl::StatusOr<PublisherSlot> slot = AddPublisher(registry, Spec(name)); slot.ok()) {
      registry.RetirePublisher(*slot).IgnoreError();
    }
  }
  for (uint32_t i = 0; i < 3; ++i) {
    registry.Topic(i).Publishers().status().IgnoreError();
    registry.Topic(i).Subscribers().status().IgnoreError();
    registry.Topic(i).Read();
    registry.ReadNode(i);
    registry.IsNodeAlive(i, registry.node_incarnation());
  }
  snapshot.Nodes();
  snapshot.Topics();
  snapshot.Endpoints();
}

// Reading such an entry takes 4,096 looks; for each topic that goes at each of the others, all that with the lock held,
// joining would take minutes.
TEST_F(GarbageTest, ATableFullOfTopicsThatCannotBeReadIsCleanedUpInOneWalk) {
  auto node = Join();
  const int fd = open(RegistryPath().c_str(), O_RDWR);
  ASSERT_GE(fd, 0);
  const auto write_number = [fd](uint64_t offset, auto number) {
    ASSERT_EQ(pwrite(fd, &number, sizeof(number), static_cast<off_t>(offset)), static_cast<ssize_t>(sizeof(number)));
  };
  for (uint32_t topic = 0; topic < kTopicsMax; ++topic) {
    const uint64_t entry = kTopicsOffset + uint64_t{topic} * sizeof(TopicEntry);
    write_number(entry + offsetof(TopicEntry, version), uint32_t{1});
    write_number(entry + offsetof(TopicEntry, state), static_cast<uint32_t>(TopicState::kLive));
    write_number(entry + offsetof(TopicEntry, schema_bytes), uint64_t{8});
  }
  close(fd);
  auto other = Join();
  EXPECT_TRUE(Look().Topics().empty());
  EXPECT_OK(AddSubscriber(*node, Spec("t")).status());
}

TEST_F(GarbageTest, RandomWritesIntoTheTablesCrashNobody) {
  std::mt19937_64 random = test::SeededRandom("garbage");
  for (int round = 0; round < 40; ++round) {
    {
      absl::StatusOr<std::shared_ptr<Registry>> node = Registry::Join(Options(), "n");
      ASSERT_OK(node.status());
      const absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(**node, Spec("t"));
      const absl::StatusOr<PublisherSlot> publisher = AddPublisher(**node, Spec("t"));
      ASSERT_OK(subscriber.status());
      ASSERT_OK(publisher.status());
      const Snapshot snapshot = Look();
      const int fd = open(RegistryPath().c_str(), O_RDWR);
      ASSERT_GE(fd, 0);
      // The first entries of each table, where there is something, and the header behind its facts.
      const std::vector<std::pair<uint64_t, uint64_t>> ranges = {{128, 152 - 128},
                                                                 {kNodesOffset, 2 * sizeof(NodeEntry)},
                                                                 {kTopicsOffset, 2 * sizeof(TopicEntry)},
                                                                 {kEndpointsOffset, 4 * sizeof(EndpointEntry)}};
      for (int step = 0; step < 10; ++step) {
        const auto& [offset, bytes] = ranges[random() % ranges.size()];
        std::string garbage(1 + random() % 64, '\0');
        const bool small_numbers = random() % 2 == 0;
        for (char& byte : garbage) byte = static_cast<char>(small_numbers ? random() % 3 : random());
        const uint64_t at = offset + random() % bytes;
        ASSERT_EQ(pwrite(fd, garbage.data(), garbage.size(), static_cast<off_t>(at)),
                  static_cast<ssize_t>(garbage.size()));
        UseEverything(**node, snapshot);
      }
      close(fd);
    }
    test::RemoveTree(root_.path() + "/" + kDomain);
  }
}

TEST_F(GarbageTest, RandomWritesIntoTheRecordOfTheDepartedCrashNobody) {
  std::mt19937_64 random = test::SeededRandom("departed");
  absl::StatusOr<std::shared_ptr<Registry>> node = Registry::Join(Options(), "n");
  ASSERT_OK(node.status());
  for (int round = 0; round < 40; ++round) {
    const absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(**node, Spec("t"));
    ASSERT_OK(subscriber.status());
    const Incarnation topic = (*node)->FindTopic("t")->incarnation;
    const std::string path = (*node)->path() + "/" + DepartedFileName(topic);
    const int fd = open(path.c_str(), O_RDWR);
    ASSERT_GE(fd, 0);
    for (int step = 0; step < 20; ++step) {
      const uint64_t garbage = random() % 2 == 0 ? random() % 3 : random();
      // The header, or the first words of one of the records; in later rounds also the facts.
      const uint64_t at = random() % 3 * kPageBytes + (round < 20 ? 128 : 0) + random() % 64;
      ASSERT_EQ(pwrite(fd, &garbage, sizeof(garbage), static_cast<off_t>(at)), 8);
      absl::StatusOr<DepartedFile> file = DepartedFile::Open((*node)->directory(), topic);
      if (file.ok()) {
        uint64_t reads = 0;
        EXPECT_TRUE(file->Read([&reads](const metrics::DepartedRecord&) { ++reads; }));
        EXPECT_EQ(reads, 1u);
      }
      const absl::StatusOr<SubscriberSlot> another = AddSubscriber(**node, Spec("t"));
      ASSERT_OK(another.status());
      ASSERT_OK((*node)->RemoveSubscriber(*another));
      ASSERT_FALSE(HasFile(FileKind::kTable, another->incarnation));
    }
    close(fd);
    ASSERT_OK((*node)->RemoveSubscriber(*subscriber));
    ASSERT_THAT(Files(), testing::ElementsAre("registry"));
  }
  ASSERT_OK((*node)->Leave());
}

TEST_F(GarbageTest, GarbageInQueueAndTableFilesIsNoticed) {
  std::mt19937_64 random = test::SeededRandom("garbage files");
  auto node = Join();
  for (int round = 0; round < 200; ++round) {
    const absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(*node, Spec("t"));
    const absl::StatusOr<PublisherSlot> publisher = AddPublisher(*node, Spec("t"));
    ASSERT_OK(subscriber.status());
    ASSERT_OK(publisher.status());
    const FileKind kind = random() % 2 == 0 ? FileKind::kQueue : FileKind::kTable;
    const std::string path = node->path() + "/" + EndpointFileName(kind, subscriber->incarnation);
    struct stat info;
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    if (random() % 3 == 0) {
      ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(random() % (2 * static_cast<uint64_t>(info.st_size)))), 0);
    } else {
      const int fd = open(path.c_str(), O_RDWR);
      const uint64_t range = random() % 2 == 0 ? 64 : static_cast<uint64_t>(info.st_size);
      for (int i = 0; i < 4; ++i) {
        const uint64_t word = random() % 2 == 0 ? random() : random() % 100;
        ASSERT_EQ(pwrite(fd, &word, sizeof(word), static_cast<off_t>(random() % range)), 8);
      }
      close(fd);
    }
    OpenQueue(node->directory(), subscriber->incarnation, os::Access::kRead).status().IgnoreError();
    OpenTable(node->directory(), subscriber->incarnation, os::Access::kRead).status().IgnoreError();
    ASSERT_OK(node->RetirePublisher(*publisher));  // searches both for refs
    ASSERT_OK(node->RemoveSubscriber(*subscriber));
    ASSERT_THAT(Files(), ElementsAre("registry"));
  }
}

}  // namespace
}  // namespace weir::discovery
