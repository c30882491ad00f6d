/* Where the terms of a record come from. The table keeps results only, so the line is read once
 * more. */
#include "manifest/taxonomy/explain.h"

#include "base/alloc.h"

#include <string.h>

plumb_status plumb__explain_line(const plumb_manifest *m, uint32_t number, json_t **obj,
                                 plumb_error *err)
{
    size_t n;
    char *line = NULL;
    *obj = NULL;
    PLUMB_TRY(plumb_manifest_line(m, number, &line, &n, err));
    const plumb_status status = plumb__json_parse("record", line, n, obj, err);
    plumb__free(line);
    return status;
}

static const char *origin(const plumb__candidates *list, plumb__term term)
{
    const plumb__candidate *winner = plumb__candidates_winner(list, term);
    return winner != NULL ? winner->from : NULL;
}

plumb_status plumb_manifest_explain(const plumb_manifest *m, uint32_t number,
                                    plumb_explanation *out, plumb_error *err)
{
    json_t *obj = NULL;
    plumb__candidates list;
    *out = (plumb_explanation){.size = sizeof *out, .version = 1};
    PLUMB_TRY(plumb__explain_line(m, number, &obj, err));
    const plumb_status status = plumb__candidates_find(m, number, obj, &list, err);
    if (status == PLUMB_OK) {
        const plumb__candidate *depth = plumb__candidates_winner(&list, PLUMB__TERM_DEPTH);
        strncpy(out->depth_name, plumb__depth_name(&m->taxonomy, &depth->terms),
                sizeof out->depth_name - 1);
        out->depth_from = depth->from;
        out->step_budget_from = origin(&list, PLUMB__TERM_STEP);
        out->run_budget_from = origin(&list, PLUMB__TERM_RUN);
        out->weight_from = origin(&list, PLUMB__TERM_WEIGHT);
    }
    json_decref(obj);
    return status;
}
