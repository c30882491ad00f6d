/* Opening a bundle for questions: the record is checked against the bundle's own head, and with a
 * trust store against the operator's certificate, before anything of it is believed. Checkpoints
 * and the rules are left to `plumb verify`. */
#include "provenance/graph_open.h"

#include "base/alloc.h"
#include "base/file.h"

#include <string.h>

static plumb_status open_once(plumb_graph *graph, plumb_error *err)
{
    plumb__verify *v = &graph->v;
    *v = (plumb__verify){.dir = graph->dir, .trust = graph->trust};
    PLUMB_TRY(plumb__verify_identity(v, err));
    plumb__h5_reader *reader = plumb__record_graph(v->record);
    if (reader != NULL) PLUMB_TRY(plumb__verify_listed(v, "provenance.h5", err));
    PLUMB_TRY(plumb__verify_leaves(v, err));
    PLUMB_TRY(plumb__verify_policy(v, err));
    if (reader == NULL) PLUMB_TRY(plumb__verify_manifest(v, err));
    if (reader == NULL && v->manifest == NULL)
        return plumb__fail(
            err, PLUMB_ERR_NOT_FOUND,
            "%s: the run is open and its records are too large for evidence/: it can "
            "be asked after it is closed",
            graph->dir);
    return plumb__examples_open(reader, v->manifest, &graph->examples, err);
}

static void close_all(plumb_graph *graph)
{
    plumb__examples_free(graph->examples);
    graph->examples = NULL;
    plumb__verify_free(&graph->v);
}

bool plumb__graph_moved(const plumb_graph *graph, plumb_status status)
{
    return status != PLUMB_OK && graph->v.head_bytes.size > 0 &&
           plumb__record_moved(graph->dir, &graph->v.head_bytes);
}

plumb_status plumb__graph_reopen(plumb_graph *graph, plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    for (int again = 0; again <= PLUMB__RECORD_RETRIES; again++) {
        close_all(graph);
        status = open_once(graph, err);
        if (!plumb__graph_moved(graph, status)) break;
    }
    return status;
}

plumb_status plumb_graph_open(const char *dir, const plumb_trust *trust, plumb_graph **out,
                              plumb_error *err)
{
    plumb_graph *graph = NULL;
    PLUMB_TRY(plumb__alloc(&graph, 1, sizeof *graph, "graph", err));
    graph->trust = trust;
    plumb_status status = PLUMB_OK;
    if (strlen(dir) >= sizeof graph->dir)
        status = plumb__fail(err, PLUMB_ERR_LIMIT, "the path of the bundle is too long");
    else
        memcpy(graph->dir, dir, strlen(dir) + 1);
    if (status == PLUMB_OK) status = plumb__graph_reopen(graph, err);
    if (status != PLUMB_OK) {
        plumb_graph_free(graph);
        return status;
    }
    *out = graph;
    return PLUMB_OK;
}

void plumb_graph_free(plumb_graph *graph)
{
    if (graph == NULL) return;
    close_all(graph);
    plumb__free(graph);
}

plumb_graph_layer plumb_graph_layer_at(const plumb_graph *graph, size_t i)
{
    if (i >= graph->v.run.n_layers) return (plumb_graph_layer){.name = "", .kind = ""};
    const plumb__layer_row *row = &graph->v.run.layers[i];
    return (plumb_graph_layer){.name = row->name,
                               .kind = row->kind,
                               .depth = row->depth,
                               .rows = row->rows,
                               .cols = row->cols,
                               .params = row->params};
}
