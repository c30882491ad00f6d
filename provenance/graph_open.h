/* The inside of a plumb_graph, shared by graph_open.c, graph_summary.c and query.c. */
#ifndef PLUMB_PROVENANCE_GRAPH_OPEN_H
#define PLUMB_PROVENANCE_GRAPH_OPEN_H

#include "provenance/examples_view.h"
#include "provenance/record.h"
#include "provenance/run_json.h"

struct plumb_graph {
    plumb__run_json run;
    plumb__record *record;
    plumb_manifest *manifest; /* of an open run, from evidence/; NULL: not needed or not there */
    plumb__examples *examples;
    uint64_t leaves_signed;
    plumb_graph_info info;
    plumb_graph_summary *summary;
};

/* Fills the counts of graph->info and the summary by one walk over the record. */
plumb_status plumb__graph_summarise(plumb_graph *graph, plumb_error *err) PLUMB_MUST_CHECK;

#endif
