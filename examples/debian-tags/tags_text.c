/* Allocation, text checks and reading a child's output. */
#include "debian_tags.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void *must_alloc(void *old, size_t bytes)
{
    void *grown = realloc(old, bytes ? bytes : 1);
    if (grown == NULL) {
        fputs("plumb-debian-tags: out of memory\n", stderr);
        exit(4);
    }
    return grown;
}

char *must_copy(const char *text)
{
    const size_t n = strlen(text) + 1;
    return memcpy(must_alloc(NULL, n), text, n);
}

/* Length of a well-formed UTF-8 sequence that starts here, 0 if there is none. */
static size_t utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80) return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf && (p[1] & 0xc0) == 0x80) return 2;
    if ((p[0] & 0xf0) == 0xe0 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80) {
        const bool overlong = p[0] == 0xe0 && p[1] < 0xa0;
        const bool surrogate = p[0] == 0xed && p[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 &&
        (p[3] & 0xc0) == 0x80) {
        const bool outside = (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
        return outside ? 0 : 4;
    }
    return 0;
}

bool utf8_text(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        const size_t n = utf8_length(p);
        if (n == 0 || *p < 0x20 || *p == 0x7f) return false;
        p += n;
    }
    return true;
}

FILE *pipe_open(const char *const argv[], int *child)
{
    int ends[2];
    if (pipe(ends) != 0) return NULL;
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return NULL;
    }
    *child = (int)pid;
    return fdopen(ends[0], "r");
}

bool pipe_close(FILE *stream, int child, const char *what)
{
    int status = 0;
    if (stream) fclose(stream);
    if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "plumb-debian-tags: %s did not run to its end\n", what);
        return false;
    }
    return true;
}
