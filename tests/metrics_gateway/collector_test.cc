// weir::MetricsCollector on real domains, with real processes.
// weir-test: links=weir_metrics_gateway
#include "weir/metrics_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>
#include <weir/weir.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/test_root.h"
#include "tests/support/wait.h"

// Not in a nameless namespace: its name is a label.
struct Reading {
  uint64_t number = 0;
  double value = 0;
};

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using ::testing::HasSubstr;

// Every series with its value: "name{label="...",...}".
using Series = std::map<std::string, double>;

std::string NameOf(const std::string& series) {
  return series.substr(0, series.find('{'));
}

// The series of all families of these types, as they are exposed.
Series SeriesOf(const std::vector<prometheus::MetricFamily>& families, const std::set<prometheus::MetricType>& types) {
  Series series;
  for (const prometheus::MetricFamily& family : families) {
    if (!types.contains(family.type)) continue;
    std::istringstream text(prometheus::TextSerializer().Serialize({family}));
    for (std::string line; std::getline(text, line);) {
      if (line.starts_with('#')) continue;
      const size_t space = line.rfind(' ');
      const bool is_new = series.emplace(line.substr(0, space), std::stod(line.substr(space))).second;
      EXPECT_TRUE(is_new) << line << " is there twice";
    }
  }
  return series;
}

constexpr prometheus::MetricType kAll[] = {prometheus::MetricType::Counter, prometheus::MetricType::Gauge,
                                           prometheus::MetricType::Histogram, prometheus::MetricType::Summary};

// The only series whose name begins so and whose labels have all of this.
double Value(const std::vector<prometheus::MetricFamily>& families, const std::string& name,
             const std::vector<std::string>& labels) {
  std::vector<double> found;
  for (const auto& one : SeriesOf(families, {std::begin(kAll), std::end(kAll)})) {
    const bool fits = NameOf(one.first) == name && std::all_of(labels.begin(), labels.end(), [&one](const auto& label) {
                        return one.first.find(label) != std::string::npos;
                      });
    if (fits) found.push_back(one.second);
  }
  EXPECT_EQ(found.size(), 1u) << name << " " << testing::PrintToString(labels);
  return found.empty() ? -1 : found[0];
}

// The lines that have this in them.
std::string LinesWith(const std::vector<prometheus::MetricFamily>& families, const std::string& part) {
  std::istringstream text(prometheus::TextSerializer().Serialize(families));
  std::string lines;
  for (std::string line; std::getline(text, line);) {
    if (line.find(part) != std::string::npos) lines += line + "\n";
  }
  return lines;
}

class CollectorTest : public testing::Test {
 protected:
  NodeOptions Options(const std::string& name) const { return {.name = name, .domain = "lab", .root = root_.path()}; }

  std::shared_ptr<MetricsCollector> Collector(MetricsOptions options = {}) const {
    options.root = root_.path();
    auto collector = MetricsCollector::Create(options);
    EXPECT_TRUE(collector.ok()) << collector.status();
    return *std::move(collector);
  }

  static void Publish(Publisher<Reading>& publisher, uint64_t number) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value() = {.number = number, .value = 1.5};
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  }

  test::TestRoot root_;
};

// What the names, labels, types, help texts and bucket bounds are. Values, ids and pids are masked. After a change on
// purpose: WEIR_WRITE_GOLDEN=1 build/release/tests/metrics_gateway_collector_test
TEST_F(CollectorTest, NamesAndLabelsAreThoseOfTheGoldenFile) {
  auto node = Node::Create(Options("lidar"));
  ASSERT_TRUE(node.ok()) << node.status();
  auto publisher = node->CreatePublisher<Reading>("scan/front");
  auto subscriber = node->CreateSubscriber<Reading>("scan/front");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  Publish(*publisher, 1);
  ASSERT_TRUE(subscriber->Take());

  std::string text = prometheus::TextSerializer().Serialize(Collector()->Collect());
  text = std::regex_replace(text, std::regex("((endpoint|node_id|pid)=\")[0-9a-f]+\""), "$1#\"");
  text = std::regex_replace(text, std::regex("(\n[a-z_]+(\\{[^\n]*\\})?) [^ \n]+(?=\n)"), "$1 #");

  // prometheus-cpp's releases write the same number with 16 digits or with as many as it takes.
  std::string shortest;
  std::smatch le;
  while (std::regex_search(text, le, std::regex("le=\"([0-9.e-]+)\""))) {
    char digits[32];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), std::stod(le[1]));
    shortest.append(le.prefix()).append("le=\"").append(std::begin(digits), end.ptr).append("\"");
    text = le.suffix();
  }
  text = shortest + text;

  const auto path = std::filesystem::path(__FILE__).parent_path() / "exposition.golden";
  if (std::getenv("WEIR_WRITE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  const std::string golden((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(text, golden);
}

TEST_F(CollectorTest, SaysWhatWasSentDroppedAndDelivered) {
  auto node = Node::Create(Options("lidar"));
  ASSERT_TRUE(node.ok()) << node.status();
  auto publisher = node->CreatePublisher<Reading>("scan");
  auto newest = node->CreateSubscriber<Reading>("scan", {.depth = 2});
  auto oldest = node->CreateSubscriber<Reading>("scan", {.depth = 3, .when_full = WhenFull::kDropNewest});
  ASSERT_TRUE(publisher.ok() && newest.ok() && oldest.ok());
  for (uint64_t number = 1; number <= 10; ++number) Publish(*publisher, number);
  ASSERT_TRUE(oldest->Take());

  auto collector = Collector();
  auto families = collector->Collect();
  const std::string topic = "topic=\"scan\"";
  EXPECT_EQ(Value(families, "weir_published_messages_total", {"domain=\"lab\"", topic}), 10);
  EXPECT_EQ(Value(families, "weir_published_bytes_total", {topic}), 10 * sizeof(Reading));
  EXPECT_EQ(Value(families, "weir_dropped_messages_total", {topic, "reason=\"overwritten\""}), 8);
  EXPECT_EQ(Value(families, "weir_dropped_messages_total", {topic, "reason=\"queue_full\""}), 7);
  EXPECT_EQ(Value(families, "weir_delivered_messages_total", {topic}), 1);
  EXPECT_EQ(Value(families, "weir_latency_seconds_count", {topic}), 1);
  EXPECT_EQ(Value(families, "weir_topic_publishers", {topic}), 1);
  EXPECT_EQ(Value(families, "weir_topic_subscribers", {topic}), 2);
  EXPECT_EQ(Value(families, "weir_publisher_messages_total", {topic, "node=\"lidar\""}), 10);
  EXPECT_EQ(Value(families, "weir_nodes", {"state=\"alive\""}), 1);

  // A subscriber that closes leaves two messages unread; the topic's counters stay.
  newest = absl::CancelledError("closed");
  families = collector->Collect();
  EXPECT_EQ(Value(families, "weir_dropped_messages_total", {topic, "reason=\"subscriber_gone\""}), 2);
  EXPECT_EQ(Value(families, "weir_pushed_messages_total", {topic}), 13);
  EXPECT_EQ(Value(families, "weir_topic_subscribers", {topic}), 1);
}

// A publisher that goes on until it is told to stop, in a process of its own.
void PublishUntilStopped(const NodeOptions& options, Channel& parent) {
  auto node = Node::Create(options);
  ASSERT_TRUE(node.ok()) << node.status();
  auto publisher = node->CreatePublisher<Reading>("scan");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  for (uint64_t number = 1; number <= 100; ++number) {
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok());
    loan->value().number = number;
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  }
  ASSERT_TRUE(parent.Send("published"));
  parent.ReceiveText();
}

TEST_F(CollectorTest, AStoppedPublisherIsScrapedAsAlive) {
  Child child([this](Channel& parent) { PublishUntilStopped(Options("robot"), parent); });
  ASSERT_EQ(child.channel().ReceiveText(), "published");
  auto collector = Collector();
  child.Stop();
  const auto families = collector->Collect();
  EXPECT_EQ(Value(families, "weir_published_messages_total", {"topic=\"scan\""}), 100);
  EXPECT_EQ(Value(families, "weir_endpoint_alive", {"node=\"robot\""}), 1);
  child.Continue();
  child.channel().Send("stop");
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST_F(CollectorTest, AKilledPublisherIsScrapedAsDeadUntilItsStayIsOverOrItIsCleanedUp) {
  auto node = Node::Create(Options("here"));
  ASSERT_TRUE(node.ok()) << node.status();
  auto subscriber = node->CreateSubscriber<Reading>("scan");
  ASSERT_TRUE(subscriber.ok());
  Child child([this](Channel& parent) { PublishUntilStopped(Options("robot"), parent); });
  ASSERT_EQ(child.channel().ReceiveText(), "published");
  auto collector = Collector();
  auto impatient = Collector({.stay = absl::ZeroDuration()});
  collector->Collect();
  child.Kill();
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGKILL));

  auto families = collector->Collect();
  EXPECT_EQ(Value(families, "weir_endpoint_alive", {"node=\"robot\""}), 0);
  EXPECT_EQ(Value(families, "weir_publisher_messages_total", {"node=\"robot\""}), 100);
  EXPECT_EQ(Value(families, "weir_published_messages_total", {"topic=\"scan\""}), 100);
  EXPECT_EQ(Value(families, "weir_nodes", {"state=\"dead\""}), 1);

  EXPECT_NE(LinesWith(impatient->Collect(), "node=\"robot\""), "");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(LinesWith(impatient->Collect(), "node=\"robot\""), "");

  ASSERT_TRUE(node->CreatePublisher<Reading>("other").ok());  // cleans up
  families = collector->Collect();
  EXPECT_EQ(LinesWith(families, "node=\"robot\""), "");
  EXPECT_EQ(Value(families, "weir_published_messages_total", {"topic=\"scan\""}), 100);
  EXPECT_EQ(Value(families, "weir_nodes", {"state=\"dead\""}), 0);
}

TEST_F(CollectorTest, ADomainThatIsGoneIsDownAndItsTopicsStay) {
  auto collector = Collector({.domains = {"lab", "never"}});
  {
    auto node = Node::Create(Options("lidar"));
    ASSERT_TRUE(node.ok()) << node.status();
    auto publisher = node->CreatePublisher<Reading>("scan");
    ASSERT_TRUE(publisher.ok());
    Publish(*publisher, 1);
    const auto families = collector->Collect();
    EXPECT_EQ(Value(families, "weir_domain_up", {"domain=\"lab\""}), 1);
    EXPECT_EQ(Value(families, "weir_domain_up", {"domain=\"never\""}), 0);
  }
  const auto families = collector->Collect();
  EXPECT_EQ(Value(families, "weir_domain_up", {"domain=\"lab\""}), 0);
  EXPECT_EQ(Value(families, "weir_topic_publishers", {"topic=\"scan\""}), 0);
  EXPECT_EQ(Value(families, "weir_published_messages_total", {"topic=\"scan\""}), 1);
  EXPECT_EQ(Value(families, "weir_exporter_errors_total", {}), 0);
}

TEST_F(CollectorTest, FindsTheDomainsUnderItsRootByItself) {
  auto collector = Collector();
  EXPECT_EQ(LinesWith(collector->Collect(), "domain="), "");
  auto lab = Node::Create(Options("one"));
  auto field = Node::Create({.name = "two", .domain = "field", .root = root_.path()});
  ASSERT_TRUE(lab.ok() && field.ok());
  const auto families = collector->Collect();
  EXPECT_EQ(Value(families, "weir_domain_up", {"domain=\"lab\""}), 1);
  EXPECT_EQ(Value(families, "weir_domain_up", {"domain=\"field\""}), 1);
}

TEST_F(CollectorTest, ADomainThatCannotBeReadIsAnErrorAndNotAnEmptyDomain) {
  ASSERT_TRUE(std::filesystem::create_directory(root_.path() + "/lab"));
  std::filesystem::permissions(root_.path() + "/lab", std::filesystem::perms::owner_all);
  std::ofstream(root_.path() + "/lab/registry") << "no registry";
  std::filesystem::permissions(root_.path() + "/lab/registry",
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  auto collector = Collector({.domains = {"lab"}});
  const auto families = collector->Collect();
  EXPECT_EQ(Value(families, "weir_domain_up", {"domain=\"lab\""}), 0);
  EXPECT_EQ(Value(families, "weir_exporter_errors_total", {}), 1);
  EXPECT_EQ(LinesWith(families, "weir_nodes{"), "");
}

TEST_F(CollectorTest, RefusesOptionsOutsideTheirLimits) {
  const auto error = [](const MetricsOptions& options) { return MetricsCollector::Create(options).status(); };
  EXPECT_TRUE(absl::IsInvalidArgument(error({.domains = {"../etc"}})));
  EXPECT_TRUE(absl::IsInvalidArgument(error({.stay = absl::Seconds(-1)})));
  EXPECT_TRUE(absl::IsInvalidArgument(error({.stay = absl::InfiniteDuration()})));
  EXPECT_THAT(std::string(error({.topics_max = 0}).message()), HasSubstr("topics_max is 0; it must be 1 to 10000"));
  EXPECT_TRUE(absl::IsInvalidArgument(error({.endpoints_max = 10'001})));
}

// Publishers and subscribers come, send, go, and are killed, while two threads collect.
TEST_F(CollectorTest, NoCounterGoesBackWhileEndpointsComeGoAndAreKilled) {
  auto node = Node::Create(Options("anchor"));
  ASSERT_TRUE(node.ok()) << node.status();
  // Keeps the topic, and with it the record of the departed: what was counted between a look and a topic's end is lost.
  auto keeper = node->CreateSubscriber<Reading>("scan", {.depth = 1});
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  auto collector = Collector();
  std::atomic<bool> done = false;
  std::atomic<uint64_t> collections = 0;
  const std::set<prometheus::MetricType> kCounting = {
      prometheus::MetricType::Counter, prometheus::MetricType::Histogram, prometheus::MetricType::Summary};
  const auto watch = [&] {
    Series before;
    while (!done) {
      const auto families = collector->Collect();
      for (const auto& [series, value] : SeriesOf(families, kCounting)) {
        double& last = before.try_emplace(series, 0).first->second;
        EXPECT_GE(value, last) << series;
        last = value;
      }
      ++collections;
    }
  };
  // Forked before there are threads, so that what the children inherit is whole.
  constexpr int kRounds = 12;
  std::vector<std::unique_ptr<Child>> children;
  for (int round = 0; round < kRounds; ++round) {
    children.push_back(std::make_unique<Child>([this, round](Channel& parent) {
      parent.ReceiveText();
      auto own = Node::Create(Options("child"));
      ASSERT_TRUE(own.ok()) << own.status();
      auto publisher = own->CreatePublisher<Reading>("scan");
      auto subscriber = own->CreateSubscriber<Reading>("scan", {.depth = 4});
      ASSERT_TRUE(publisher.ok() && subscriber.ok());
      for (uint64_t number = 1; number <= 500 || round % 2 == 0; ++number) {
        auto loan = publisher->Loan();
        ASSERT_TRUE(loan.ok()) << loan.status();
        loan->value().number = number;
        ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
        if (number % 3 == 0) subscriber->Take();
        if (number == 500) parent.Send("well under way");
      }
    }));
  }
  std::thread first(watch), second(watch);
  for (int round = 0; round < kRounds; ++round) {
    Child& child = *children[static_cast<size_t>(round)];
    child.channel().Send("go");
    ASSERT_EQ(child.channel().ReceiveText(), "well under way");
    if (round % 2 == 0) child.Kill();
    child.Wait();
    auto passing = node->CreateSubscriber<Reading>("scan");  // cleans up
    EXPECT_TRUE(passing.ok()) << passing.status();
  }
  const uint64_t so_far = collections;
  EXPECT_TRUE(test::WaitUntilTrue([&] { return collections >= so_far + 3; }));
  done = true;
  first.join();
  second.join();
  const auto families = collector->Collect();
  EXPECT_GE(Value(families, "weir_published_messages_total", {"topic=\"scan\""}), kRounds * 500);
  children.clear();
}

}  // namespace
}  // namespace weir
