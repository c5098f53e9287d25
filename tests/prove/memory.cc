#include "tests/prove/memory.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weir::prove {

void Memory::Reset(int stale_reads) {
  stale_reads_ = stale_reads;
  thread_count_ = 0;
  for (std::vector<uint32_t>& location : locations_) {
    location.clear();
    spare_.push_back(std::move(location));
  }
  locations_.clear();
  stores_.clear();
  words_.clear();
  fences_ = View();
  heavy_ = View();
  light_ = View();
}

int Memory::AddLocation(uint64_t value) {
  if (spare_.empty()) {
    locations_.emplace_back();
  } else {
    locations_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
  const int location = location_count() - 1;
  Append(location, value, View());
  return location;
}

int Memory::AddWord() {
  words_.emplace_back();
  return word_count() - 1;
}

void Memory::Append(int location, uint64_t value, const View& view) {
  locations_[Index(location)].push_back(static_cast<uint32_t>(stores_.size()));
  stores_.push_back({value, view});
}

void Memory::Load(int thread, int location, int store, bool acquire) {
  Thread& t = threads_[Index(thread)];
  const size_t at = Index(location);
  t.now[at] = static_cast<uint8_t>(store);
  if (store != Newest(location)) {
    t.stale_reads[at] = static_cast<uint8_t>(StaleReads(t, location) + 1);
    t.stale_store[at] = static_cast<uint8_t>(store);
  }
  const View& view = stores_[locations_[at][Index(store)]].view;
  if (acquire) {
    t.now.Join(view);
  } else {
    t.acquire.Join(view);
  }
}

void Memory::Store(int thread, int location, uint64_t value, bool release) {
  Thread& t = threads_[Index(thread)];
  const size_t at = Index(location);
  t.now[at] = static_cast<uint8_t>(Newest(location) + 1);
  View view = release ? t.now : t.release;
  view[at] = t.now[at];
  Append(location, value, view);
}

void Memory::Update(int thread, int location, uint64_t value, bool acquire, bool release) {
  Load(thread, location, Newest(location), acquire);
  Thread& t = threads_[Index(thread)];
  const size_t at = Index(location);
  View view = stores_[locations_[at].back()].view;  // the release sequence goes on
  t.now[at] = static_cast<uint8_t>(Newest(location) + 1);
  view.Join(release ? t.now : t.release);
  view[at] = t.now[at];
  Append(location, value, view);
}

void Memory::AcquireFence(int thread) {
  Thread& t = threads_[Index(thread)];
  t.now.Join(t.acquire);
}

void Memory::ReleaseFence(int thread) {
  Thread& t = threads_[Index(thread)];
  t.release = t.now;
}

void Memory::SeqCstFence(int thread) {
  Thread& t = threads_[Index(thread)];
  t.now.Join(t.acquire);
  t.now.JoinLocations(fences_);
  fences_.JoinLocations(t.now);
  t.release = t.now;
}

void Memory::HeavyFence(int thread) {
  Thread& t = threads_[Index(thread)];
  t.now.Join(t.acquire);
  t.now.JoinLocations(fences_);
  t.now.JoinLocations(light_);
  fences_.JoinLocations(t.now);
  heavy_.JoinLocations(t.now);
  t.release = t.now;
}

void Memory::LightFence(int thread) {
  Thread& t = threads_[Index(thread)];
  t.now.JoinLocations(heavy_);
  light_.JoinLocations(t.now);
}

bool Memory::ReadWord(int thread, int word) {
  Thread& t = threads_[Index(thread)];
  Word& w = words_[Index(word)];
  t.now[View::kClocks + Index(thread)] = ++t.clock;
  w.reads[Index(thread)] = t.clock;
  return t.now[View::kWords + Index(word)] == w.writes;
}

bool Memory::WriteWord(int thread, int word) {
  Thread& t = threads_[Index(thread)];
  Word& w = words_[Index(word)];
  bool ordered = t.now[View::kWords + Index(word)] == w.writes;
  for (int i = 0; i < thread_count_; ++i) {
    ordered = ordered && (i == thread || t.now[View::kClocks + Index(i)] >= w.reads[Index(i)]);
    w.reads[Index(i)] = 0;
  }
  t.now[View::kWords + Index(word)] = ++w.writes;
  return ordered;
}

void Memory::JoinThread(int thread, int other) {
  threads_[Index(thread)].now.Join(threads_[Index(other)].now);
}

uint64_t Memory::Hash(const bool* counts) const {
  // What all threads that go on have in common is forgotten: stores before `base` cannot be read by anybody, and a
  // view that says no more than `base` says nothing.
  View base;
  bool first = true;
  for (int i = 0; i < thread_count_; ++i) {
    if (!counts[i]) continue;
    if (first) base = threads_[Index(i)].now;
    for (size_t at = 0; at < View::kBytes; ++at) base[at] = std::min(base[at], threads_[Index(i)].now[at]);
    first = false;
  }
  // Of words it only matters who knows of the last write and of each read since. What is known to all does not matter.
  struct Open {
    size_t at;
    uint8_t least;
  };
  std::array<Open, static_cast<size_t>(kWordsMax) * (kThreadsMax + 1)> open;
  size_t open_count = 0;
  uint64_t hash = 0;
  for (size_t w = 0; w < words_.size(); ++w) {
    if (base[View::kWords + w] < words_[w].writes) {
      hash = Mix(hash, w << 8);
      open[open_count++] = {View::kWords + w, words_[w].writes};
    }
    for (size_t i = 0; i < Index(thread_count_); ++i) {
      if (base[View::kClocks + i] < words_[w].reads[i]) {
        hash = Mix(hash, w << 8 | (i + 1));
        open[open_count++] = {View::kClocks + i, words_[w].reads[i]};
      }
    }
  }
  const auto mix_view = [&](const View& view) {
    std::array<uint8_t, kLocationsMax> relative;
    for (size_t at = 0; at < relative.size(); ++at) {
      relative[at] = static_cast<uint8_t>(std::max(view[at], base[at]) - base[at]);
    }
    for (size_t at = 0; at < relative.size(); at += 8) {
      uint64_t bytes;
      std::memcpy(&bytes, &relative[at], sizeof(bytes));
      if (bytes != 0) hash = Mix(hash + at, bytes);
    }
    uint64_t known = 1;
    for (size_t i = 0; i < open_count; ++i) {
      known = known << 1 | (view[open[i].at] >= open[i].least ? 1 : 0);
      if (i % 60 == 59) hash = Mix(hash, known), known = 1;
    }
    hash = Mix(hash, known);
  };
  for (int i = 0; i < thread_count_; ++i) {
    if (!counts[i]) continue;
    const Thread& t = threads_[Index(i)];
    mix_view(t.now);
    View acquire = t.acquire;
    acquire.Join(t.now);
    mix_view(acquire);
    mix_view(t.release);
    uint64_t stale = 0;
    for (int at = 0; at < location_count(); ++at) {
      if (t.now[Index(at)] == Newest(at)) continue;
      if (const int reads = StaleReads(t, at); reads != 0) stale = Mix(stale, Index(at) << 8 | Index(reads));
    }
    hash = Mix(hash, stale);
  }
  for (size_t at = 0; at < locations_.size(); ++at) {
    const std::vector<uint32_t>& stores = locations_[at];
    hash = Mix(hash, stores.size() - base[at]);
    for (size_t store = base[at]; store < stores.size(); ++store) {
      hash = Mix(hash, stores_[stores[store]].value);
      mix_view(stores_[stores[store]].view);
    }
  }
  mix_view(fences_);
  mix_view(heavy_);
  mix_view(light_);
  return hash;
}

}  // namespace weir::prove
