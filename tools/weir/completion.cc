// weir completion: what a shell needs to complete commands, options, domains and topics.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tools/weir/commands.h"
#include "tools/weir/output.h"

namespace weir::tool {
namespace {

constexpr char kBash[] = R"bash(# bash completion for weir:  source <(weir completion bash)
_weir() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local commands="ls info graph echo pub hz bw latency top doctor exporter completion"
  local command="" topic="" place=() word i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    case $word in
      -d|--domain|--root) place+=("$word" "${COMP_WORDS[++i]}") ;;
      -*) ;;
      *) if [ -z "$command" ]; then command=$word; elif [ -z "$topic" ]; then topic=$word; fi ;;
    esac
  done
  case $prev in
    -d|--domain) COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" ls domains --names 2>/dev/null)" -- "$cur")); return ;;
    --root|--file|-I|--import-path) COMPREPLY=($(compgen -f -- "$cur")); return ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" $command --help 2>/dev/null |
      grep -oE '(^| |,)--?[a-z][a-z-]*' | tr -d ' ,')" -- "$cur"))
    return
  fi
  case $command in
    "") COMPREPLY=($(compgen -W "$commands" -- "$cur")) ;;
    ls) COMPREPLY=($(compgen -W "domains nodes topics endpoints" -- "$cur")) ;;
    completion) COMPREPLY=($(compgen -W "bash zsh" -- "$cur")) ;;
    info|echo|pub|hz|bw|latency)
      [ -n "$topic" ] || COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "${place[@]}" ls --names 2>/dev/null)" -- "$cur")) ;;
  esac
}
complete -F _weir weir
)bash";

constexpr char kZsh[] = R"zsh(#compdef weir
# zsh completion for weir:  source <(weir completion zsh)
autoload -U +X bashcompinit && bashcompinit
)zsh";

absl::StatusOr<ExitCode> RunCompletion(const std::string& shell) {
  if (shell == "zsh") Out().Write(kZsh);
  Out().Write(kBash);
  return kOk;
}

}  // namespace

void AddCompletion(CLI::App& app, Run& run) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "completion", "Prints a script that completes commands and topics: source <(weir completion bash)");
  command->add_option("SHELL", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}).description(""));
  command->callback([&run, shell] { run = [shell](const Globals&) { return RunCompletion(*shell); }; });
}

}  // namespace weir::tool
