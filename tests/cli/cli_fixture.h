/* Running build/bin/plumb as a user does: a shell command in a folder of its own, its two outputs
 * and its exit code. */
#ifndef PLUMB_TESTS_CLI_FIXTURE_H
#define PLUMB_TESTS_CLI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct cli_run {
    int code;
    char out[65536], err[8192];
} cli_run;

/* Make and remove the folder; it is the working directory in between. */
int cli_setup(void **state);
int cli_teardown(void **state);

/* Runs `plumb …` where the command says so; borrowed until the next run. */
const cli_run *cli(const char *command, ...) __attribute__((format(printf, 1, 2)));
void cli_write(const char *path, const char *text);

/* Exit code and both outputs, exactly. */
#define assert_cli(expected_code, expected_out, expected_err, ...)                                 \
    do {                                                                                           \
        const cli_run *run_ = cli(__VA_ARGS__);                                                    \
        assert_string_equal(run_->err, expected_err);                                              \
        assert_string_equal(run_->out, expected_out);                                              \
        assert_int_equal(run_->code, expected_code);                                               \
    } while (0)

#endif
