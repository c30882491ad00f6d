#include "cli_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[256];

int cli_setup(void **state)
{
    const char *tmp = getenv("TMPDIR"), *build = getenv("PLUMB_BUILD_DIR"), *path = getenv("PATH");
    char with_plumb[8192];
    (void)state;
    assert_non_null(build);
    snprintf(with_plumb, sizeof with_plumb, "%s/bin:%s", build, path != NULL ? path : "");
    assert_int_equal(setenv("PATH", with_plumb, 1), 0);
    snprintf(folder, sizeof folder, "%.200s/plumb-cli-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(setenv("PLUMB_STATE", "state", 1), 0);
    return 0;
}

int cli_teardown(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(chdir("/"), 0);
    return system(command);
}

static void read_all(const char *path, char *out, size_t size)
{
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    const size_t n = fread(out, 1, size - 1, in);
    out[n] = '\0';
    assert_int_equal(fclose(in), 0);
}

const cli_run *cli(const char *command, ...)
{
    static cli_run run;
    char text[4096], line[4300];
    va_list args;
    va_start(args, command);
    vsnprintf(text, sizeof text, command, args);
    va_end(args);
    snprintf(line, sizeof line, "{ %s\n} >out.txt 2>err.txt </dev/null", text);
    const int status = system(line);
    run.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    read_all("out.txt", run.out, sizeof run.out);
    read_all("err.txt", run.err, sizeof run.err);
    return &run;
}

void cli_write(const char *path, const char *text)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
    assert_int_equal(fclose(out), 0);
}
