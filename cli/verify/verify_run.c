/* plumb verify of a run bundle, and of a checkpoint inside one */
#include "cli/verify/verify_forms.h"
#include "provenance/plumb_graph.h"

#include <inttypes.h>
#include <string.h>

static void print_json(const plumb_verify_report *r, plumb_status status, bool full,
                       const char *root)
{
    json_t *out = json_pack("{s:b,s:b,s:b,s:b,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "holds",
                            r->holds, "closed", r->closed, "signer_checked", r->signer_checked,
                            "rules_checked", r->rules_checked, "full", full, "run_id", r->run_id,
                            "leaves", (json_int_t)r->leaves, "leaves_signed",
                            (json_int_t)r->leaves_signed, "steps", (json_int_t)r->steps, "units",
                            (json_int_t)r->units, "files", (json_int_t)r->files, "edges_checked",
                            (json_int_t)r->edges_checked, "status", plumb_status_name(status));
    json_object_set_new(out, "operator", json_string(r->operator_keyid));
    json_object_set_new(out, "root_fingerprint", json_string(root));
    json_object_set_new(out, "first_problem", json_string(r->first_problem));
    json_object_set_new(out, "still_trustworthy", json_string(r->still_trustworthy));
    json_object_set_new(out, "notes", json_string(r->notes));
    plumb__cli_print_json(out);
}

static void print_notes(const plumb_verify_report *r)
{
    for (const char *at = r->notes; *at != '\0';) {
        const size_t n = strcspn(at, "\n");
        printf("note        %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

static void print_report(const plumb_verify_report *r, const plumb__verify_arguments *a,
                         const char *root)
{
    printf("run %s: %s\n", r->run_id, plumb__cli_color(stdout, "holds", "\033[32mholds\033[0m"));
    if (r->signer_checked)
        printf("signed by   operator %.16s…, trust root %.16s…\n", r->operator_keyid, root);
    else
        puts("signed by   signer not checked");
    printf("record      %s, %" PRIu64 " steps, %" PRIu64 " leaves: %" PRIu64 " signed",
           r->closed ? "closed" : "open", r->steps, r->leaves, r->leaves_signed);
    if (r->leaves > r->leaves_signed) printf(", %" PRIu64 " not yet", r->leaves - r->leaves_signed);
    printf("\nfiles       %" PRIu64 ", each hashed whole\n", r->files);
    if (r->rules_checked)
        printf("rules       masks and limits of %" PRIu64 " edges recomputed (%s)\n",
               r->edges_checked,
               a->step_text != NULL ? "one step"
               : a->full            ? "all, with run ledger, reference scales and index"
                                    : "sampled steps; --full takes all");
    print_notes(r);
}

int plumb__verify_run(const plumb__verify_arguments *a, const char *dir, const char *checkpoint)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_verify_options options;
    plumb_verify_report report;
    plumb_verify_options_default(&options);
    if (a->step_text != NULL &&
        (!plumb__cli_parse_count(a->step_text, INT64_MAX, &options.step) || options.step == 0))
        return plumb__cli_usage("verify", "--step is not a step number: %s", a->step_text);
    if (a->trust != NULL && plumb_trust_open(a->trust, &trust, &err) != PLUMB_OK)
        return plumb__cli_fail(&err);
    if (plumb__cli_check_trust(a->trust, trust, &err) != PLUMB_OK) {
        plumb_trust_free(trust);
        return plumb__cli_fail(&err);
    }
    options.trust = trust;
    options.full = a->full;
    options.require_closed = a->closed;
    options.manifest_path = a->manifest;
    const char *root = trust != NULL ? plumb_trust_root_fingerprint(trust) : "";
    plumb_status status = plumb_bundle_verify(dir, &options, &report, &err);
    if (status == PLUMB_OK && plumb__cli_check_run(dir, trust, &err) != PLUMB_OK) {
        status = err.status;
        report.holds = false;
        snprintf(report.first_problem, sizeof report.first_problem, "%s", err.message);
    }
    if (plumb__cli.json) print_json(&report, status, a->full, root);
    if (status != PLUMB_OK) {
        fprintf(stderr, "%s: %s: %s\nplumb: still trustworthy: %s\n", plumb__cli_name(), dir,
                err.message, report.still_trustworthy);
    } else if (!plumb__cli.json) {
        print_report(&report, a, root);
        if (checkpoint != NULL) printf("checkpoint  %s is the one this run recorded\n", checkpoint);
    }
    plumb_trust_free(trust);
    return plumb__cli_done(plumb__cli_verdict(status));
}

/* ---- a checkpoint: it holds if its run holds ---------------------------------------------- */

int plumb__verify_run_checkpoint(const plumb__verify_arguments *a)
{
    char dir[4096];
    const char *name = strrchr(a->path, '/'); /* there is one: of the folder that was recognised */
    const size_t n = name != NULL ? (size_t)(name - a->path) : 0;
    if (n >= sizeof dir) return plumb__cli_usage("verify", "%s is too long a path", a->path);
    memcpy(dir, a->path, n);
    dir[n] = '\0';
    char *last = strrchr(dir, '/');
    if (last != NULL) *last = '\0';
    return plumb__verify_run(a, last != NULL ? (dir[0] != '\0' ? dir : "/") : ".",
                             name != NULL ? name + 1 : a->path);
}
