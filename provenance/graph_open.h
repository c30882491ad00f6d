/* The inside of a plumb_graph, shared by graph_open.c, graph_summary.c and query.c. */
#ifndef PLUMB_PROVENANCE_GRAPH_OPEN_H
#define PLUMB_PROVENANCE_GRAPH_OPEN_H

#include "provenance/examples_view.h"
#include "provenance/verify.h"


struct plumb_graph {
    char dir[4096];
    const plumb_trust *trust;
    plumb__verify v; /* of an open run with its manifest */
    plumb__examples *examples;
};

/* True if `status` may come from a seal that happened meanwhile. */
bool plumb__graph_moved(const plumb_graph *graph, plumb_status status);
plumb_status plumb__graph_reopen(plumb_graph *graph, plumb_error *err) PLUMB_MUST_CHECK;

#endif
