// What programs need of libweir.so. Everything else in it is hidden: it can neither be used by mistake nor clash.
#ifndef WEIR_INTERNAL_EXPORT_H_
#define WEIR_INTERNAL_EXPORT_H_

#define WEIR_EXPORT __attribute__((visibility("default")))

#endif  // WEIR_INTERNAL_EXPORT_H_
