// Memory that a test shares with the children it makes afterwards: for flags and progress, which a channel would be too
// slow for.
#ifndef WEIR_TESTS_PUBSUB_SHARED_PAGE_H_
#define WEIR_TESTS_PUBSUB_SHARED_PAGE_H_

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace weir::test {

// One T, made of atomics.
template <class T>
class SharedPage {
 public:
  SharedPage() {
    void* memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("mmap");
      std::abort();
    }
    object_ = new (memory) T();
  }
  ~SharedPage() { munmap(object_, sizeof(T)); }
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;

  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }

 private:
  T* object_;
};

}  // namespace weir::test

#endif  // WEIR_TESTS_PUBSUB_SHARED_PAGE_H_
