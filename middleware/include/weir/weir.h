// All of Weir that needs no message library. For Cap'n Proto messages include <weir/capnp.h> too.
#ifndef WEIR_WEIR_H_
#define WEIR_WEIR_H_

#include "weir/counts.h"
#include "weir/describe.h"
#include "weir/latency_histogram.h"
#include "weir/loan.h"
#include "weir/message.h"
#include "weir/node.h"
#include "weir/options.h"
#include "weir/outcomes.h"
#include "weir/publisher.h"
#include "weir/sample.h"
#include "weir/subscriber.h"
#include "weir/wait_set.h"
#include "weir/wait_strategy.h"

#endif  // WEIR_WEIR_H_
