/* Six layers of all kinds and ten examples with bands, weights and matrices instead of a model:
 * what the tests of properties and of limits share. */
#ifndef PLUMB_TESTS_RUNTIME_TOY_NET_H
#define PLUMB_TESTS_RUNTIME_TOY_NET_H

#include "harness.h"
#include "toy.h"

#include "runtime/run.h"

#define NET_VISITS 6
#define NET_EXAMPLES 10

extern const char *const net_ids[NET_EXAMPLES];
extern const double net_bands[NET_EXAMPLES][2], net_example_weights[NET_EXAMPLES];

typedef struct net {
    plumb_run *run;
    toy_visit v[NET_VISITS];
    double depth[NET_VISITS];
} net;

const char *net_records(void);
/* A started run in w->out. */
net net_open(world *w);
void net_close(net *n);
void net_begin(net *n, uint64_t step, uint32_t micro, uint32_t units, double normaliser,
               double scale);
/* Decides and commits. */
plumb_live net_finish(net *n);
void net_weights(const toy_batch *b, double *out);
/* One micro-batch: draws and governs every layer. */
void net_micro(net *n, const toy_batch *b, const double *magnitude, double factor, uint64_t seed);
/* dW of a visit against sum m c g / N in float64, with masks and clips as recorded. */
void net_check_dw(const net *n, size_t i, const toy_batch *b, uint32_t first_row, double factor);

#endif
