// weir doctor: what is wrong, stale, nearly full or badly configured.
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/weir/checks.h"
#include "tools/weir/commands.h"
#include "tools/weir/domain.h"
#include "tools/weir/domain_json.h"
#include "tools/weir/output.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

struct Options {
  bool fix = false;
  bool json = false;
  double held_for_s = 10;
};

struct Diagnosis {
  std::vector<std::string> domains;
  std::vector<Finding> findings;
};

// What the library says when a domain or the root cannot be looked into.
Finding CannotLook(const std::string& domain, const absl::Status& status) {
  Finding finding = {.check = "domain", .domain = domain, .what = Printable(std::string(status.message()))};
  if (absl::IsDataLoss(status)) {
    finding.why = "nobody can join this domain";
    finding.remedy = "stop its programs and remove the directory";
  } else if (absl::IsPermissionDenied(status) || !absl::StrContains(status.message(), "layout number")) {
    finding.check = "rights";
    finding.why = "Weir does not use directories that others own or can change; nobody can join";
    finding.remedy = "its owner runs this, or makes it 0700 (2770 for a group)";
  } else {
    finding.why = "programs of this version cannot join this domain";
    finding.remedy = "stop the programs that use the other version, or use another domain";
  }
  return finding;
}

std::vector<std::string> DirectoriesIn(const std::string& root) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entries(root, error), end; !error && entries != end;
       entries.increment(error)) {
    if (entries->is_directory(error)) names.push_back(entries->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Diagnosis Examine(const Globals& globals, const Options& options) {
  Diagnosis diagnosis = {.domains = {}, .findings = CheckMachine(RootOf(globals))};
  if (globals.domain_given) {
    diagnosis.domains = {globals.domain};
  } else {
    const auto domains = ListDomains(globals.root);
    if (domains.ok()) {
      diagnosis.domains = DirectoriesIn(RootOf(globals));  // also those that Weir would not enter
    } else if (!absl::IsNotFound(domains.status())) {
      diagnosis.findings.push_back(CannotLook("", domains.status()));
    }
  }
  for (const std::string& name : diagnosis.domains) {
    auto inspector = Inspector::Open({.domain = name, .root = globals.root});
    const auto files = ListEndpointFiles(absl::StrCat(RootOf(globals), "/", name));
    const auto domain = inspector.ok() ? inspector->Look() : inspector.status();
    if (absl::IsNotFound(domain.status())) continue;  // gone meanwhile
    if (!domain.ok()) {
      diagnosis.findings.push_back(CannotLook(name, domain.status()));
      continue;
    }
    auto findings = CheckDomain(*domain, files, absl::Seconds(options.held_for_s));
    std::move(findings.begin(), findings.end(), std::back_inserter(diagnosis.findings));
  }
  return diagnosis;
}

// A node that comes and goes cleans up after the dead, as every program's does; it touches nothing that lives.
void CleanUp(const Globals& globals, const Diagnosis& diagnosis, std::vector<std::string>& failures) {
  std::set<std::string> domains;
  for (const Finding& finding : diagnosis.findings) {
    if (finding.fixable) domains.insert(finding.domain);
  }
  for (const std::string& name : domains) {
    const auto node = JoinDomain({.domain = name, .root = globals.root}, "doctor");
    if (!node.ok()) failures.push_back(absl::StrCat(name, ": ", std::string(node.status().message())));
  }
}

Json FindingJson(const Finding& finding) {
  return {{"check", finding.check}, {"domain", finding.domain}, {"what", finding.what},
          {"why", finding.why},     {"remedy", finding.remedy}, {"fixable", finding.fixable}};
}

void PrintFindings(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    Out().Line(absl::StrCat(Styled(finding.domain.empty() ? "machine" : Printable(finding.domain), Style::kBold), "  ",
                            Styled(finding.check, Style::kYellow)));
    Out().Line(absl::StrCat("  ", finding.what));
    Out().Line(absl::StrCat("  why:  ", finding.why));
    Out().Line(absl::StrCat("  do:   ", finding.remedy));
    Out().Line("");
  }
}

absl::StatusOr<ExitCode> RunDoctor(const Globals& globals, const Options& options) {
  if (globals.domain_given) {
    // A name that is mistyped is not healthy.
    const absl::Status status = OpenDomain(globals).status();
    if (absl::IsNotFound(status)) return status;
  }
  Diagnosis diagnosis = Examine(globals, options);
  const size_t before = diagnosis.findings.size();
  std::vector<std::string> failures;
  if (options.fix) {
    CleanUp(globals, diagnosis, failures);
    diagnosis = Examine(globals, options);
  }
  const size_t left = diagnosis.findings.size();
  const size_t fixed = before > left ? before - left : 0;

  if (options.json) {
    Json json = {{"root", RootOf(globals)}, {"domains", diagnosis.domains}, {"findings", Json::array()}};
    for (const Finding& finding : diagnosis.findings) json["findings"].push_back(FindingJson(finding));
    if (options.fix) json["fixed"] = fixed;
    if (!failures.empty()) json["failures"] = failures;
    PrintJson(json, true);
  } else {
    PrintFindings(diagnosis.findings);
    for (const std::string& failure : failures) Out().Line(Styled("could not clean up: " + failure, Style::kRed));
    const std::string looked =
        absl::StrCat("looked at this machine and ", Plural(diagnosis.domains.size(), "domain", "domains"), " under ",
                     RootOf(globals));
    const std::string result = left == 0 ? Styled("healthy", Style::kGreen) : Plural(left, "finding", "findings");
    Out().Line(absl::StrCat(looked, ": ", result, fixed > 0 ? absl::StrCat(", ", fixed, " fixed") : ""));
  }
  return left == 0 ? kOk : kError;
}

}  // namespace

void AddDoctor(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("doctor", "Finds what is wrong, stale or nearly full, and says what to do");
  command->add_flag("--fix", options->fix, "Clean up after the dead; touches nothing that a living process uses");
  command->add_option("--held-for", options->held_for_s, "How long a sample may be held (default: 10)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1e-3, 1e9).description(""));
  command->add_flag("--json", options->json, "JSON");
  command->footer(
      "\nLooks at all domains, or only at the one that --domain names. Exit code 0: healthy, 1: there are findings.");
  command->callback(
      [&run, options] { run = [options](const Globals& globals) { return RunDoctor(globals, *options); }; });
}

}  // namespace weir::tool
