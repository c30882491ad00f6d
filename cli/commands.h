/* The subcommands of `plumb` and what they share. A command gets the program's name and its own
 * arguments behind it, prints its results on standard output and everything else on standard error,
 * and returns the exit code: 0 done, 1 the answer is no, 2 wrong usage, 3 bad input, 4 I/O, 5
 * trust, 6 device, 7 interrupted. */
#ifndef PLUMB_CLI_COMMANDS_H
#define PLUMB_CLI_COMMANDS_H

#include "manifest/plumb_key.h"
#include "manifest/plumb_state.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* To add a command: its function here, its line in the table of main.c, its file cmd_NAME.c. */
int plumb__cmd_key(int argc, char **argv);
int plumb__cmd_trust(int argc, char **argv);
int plumb__cmd_manifest(int argc, char **argv);
int plumb__cmd_verify(int argc, char **argv);
int plumb__cmd_witness(int argc, char **argv);
int plumb__cmd_show(int argc, char **argv);
int plumb__cmd_query(int argc, char **argv);
int plumb__cmd_impact(int argc, char **argv);

enum {
    PLUMB__EXIT_OK = 0,
    PLUMB__EXIT_NO = 1,
    PLUMB__EXIT_USAGE = 2,
    PLUMB__EXIT_INPUT = 3,
    PLUMB__EXIT_IO = 4
};

typedef enum plumb__color {
    PLUMB__COLOR_AUTO,
    PLUMB__COLOR_ALWAYS,
    PLUMB__COLOR_NEVER
} plumb__color;

/* Options that stand before or after any command. */
typedef struct plumb__cli_options {
    bool json, quiet;
    plumb__color color;
    const char *state; /* where versions seen are remembered; NULL: the default place */
} plumb__cli_options;
extern plumb__cli_options plumb__cli;

/* Long options that every command's table ends with; values above any character. */
enum {
    PLUMB__OPT_JSON = 1000,
    PLUMB__OPT_QUIET,
    PLUMB__OPT_COLOR,
    PLUMB__OPT_STATE,
    PLUMB__OPT_OWN = 1100
};
/* clang-format off */
#define PLUMB__CLI_LONG_OPTIONS                                                                    \
    {"json", no_argument, NULL, PLUMB__OPT_JSON},                                                  \
    {"quiet", no_argument, NULL, PLUMB__OPT_QUIET},                                                \
    {"color", required_argument, NULL, PLUMB__OPT_COLOR},                                          \
    {"state", required_argument, NULL, PLUMB__OPT_STATE},                                          \
    {"help", no_argument, NULL, 'h'},                                                              \
    {NULL, 0, NULL, 0}
/* clang-format on */

/* getopt_long for `command` ("manifest sign"; "" for plumb itself); '?' when an option is unknown,
 * ambiguous, lacks its value or has one too many: the message is printed then. `letters` as for
 * getopt, a colon first (behind '+'). */
int plumb__cli_getopt(const char *command, int argc, char **argv, const char *letters,
                      const struct option *options);
/* Takes a global option that plumb__cli_getopt returned; false when it is not one or has a wrong
 * value (the message is printed then). */
bool plumb__cli_take(int option, const char *value);
/* "plumb: " and the error's message on standard error; the exit code of its status. */
int plumb__cli_fail(const plumb_error *err);
/* The exit code of a verification: 1 where content is not what was signed or contradicts itself,
 * else the status's own. */
int plumb__cli_verdict(plumb_status status);
/* As plumb__cli_fail for a question about content: 1 where what was named is not there, or was done
 * before; what the system could not find or open stays its own. */
int plumb__cli_answer(const plumb_error *err);
/* A message about wrong usage and where help is; 2. `command` is e.g. "key new". */
int plumb__cli_usage(const char *command, const char *format, ...) PLUMB_PRINTF(2, 3);
/* Prints `text` on standard output and flushes; 0, or 4 when standard output fails. */
int plumb__cli_help(const char *text);
/* Flushes standard output; keeps `code` unless the output was lost. */
int plumb__cli_done(int code);
/* Remarks on standard error, silent under --quiet. */
void plumb__cli_say(const char *format, ...) PLUMB_PRINTF(1, 2);
/* `colored` where the stream is a terminal (NO_COLOR unset) or --color says so, else `text`. */
const char *plumb__cli_color(FILE *stream, const char *text, const char *colored);
/* What a message on standard error begins with: the program's name, red where colors are on. */
const char *plumb__cli_name(void);
/* Text out of a file onto standard output, control characters as '?': it must not drive a terminal.
 * Padded with blanks to at least `width` characters. */
void plumb__cli_print_text(const char *text, int width);
/* JSON on one line, control characters in its strings escaped as \uXXXX: it says the same, and does
 * not drive a terminal. */
void plumb__cli_print_json_text(const char *text, size_t n);
/* Prints a JSON value on one line, escaped so, and releases it. */
void plumb__cli_print_json(json_t *value);

/* The passphrase in locked memory: from the file, else asked for on the terminal without echo,
 * twice when `confirm`. plumb_key_text_free wipes. */
plumb_status plumb__cli_passphrase(const char *file, const char *prompt, bool confirm, char **text,
                                   size_t *n, plumb_error *err);
/* Opens a secret key under a passphrase from the file or the terminal. */
plumb_status plumb__cli_open_key(const char *path, const char *passphrase_file,
                                 plumb_secret_key **key, plumb_error *err);

/* Refuse what is older than, or other than, what this machine has seen (--state). With trust NULL
 * there is nothing to compare. *seen: the highest version of the manifest seen here, 0: none. */
plumb_status plumb__cli_check_trust(const char *path, const plumb_trust *trust, plumb_error *err);
plumb_status plumb__cli_check_manifest(const char *path, const plumb_trust *trust,
                                       const plumb_manifest *manifest, uint64_t *seen,
                                       plumb_error *err);
/* Remembers both, after everything held: with `remember` and a store, else nothing is written. */
plumb_status plumb__cli_remember(bool remember, const char *path, const plumb_trust *trust,
                                 const plumb_manifest *manifest, plumb_error *err);
/* For commands that only look: a remark where the store or the manifest is older than, or other
 * than, what was seen here; no failure. */
void plumb__cli_remark_seen(const char *trust_path, const char *path, const plumb_trust *trust,
                            const plumb_manifest *manifest);
/* The same where only the statement is at hand: its withdrawals are not compared. */
void plumb__cli_remark_version(const char *trust_path, const char *path, const plumb_trust *trust,
                               const plumb_manifest_info *info);

/* The same of the manifest that a verified run used, which may be older than the newest. */
plumb_status plumb__cli_check_run(const char *dir, const plumb_trust *trust, plumb_error *err);

/* "YYYY-MM-DD" or "YYYY-MM-DDThh:mm:ssZ" to seconds since 1970, and back into out[21]. */
bool plumb__cli_parse_time(const char *text, int64_t *unix_s);
void plumb__cli_format_time(int64_t unix_s, char out[21]);
/* Digits only, at most max. */
bool plumb__cli_parse_count(const char *text, uint64_t max, uint64_t *out);

#endif
