#include "output.h"

#include "platform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool ends_in(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && !strcasecmp(text + length - tail, ending);
}

char *output_default_name(const char *input, const char *suffix, bool packed)
{
    size_t stem = strlen(input);
    if (ends_in(input, ".etl"))
        stem -= strlen(".etl");
    else if (ends_in(input, ".etl.zst"))
        stem -= strlen(".etl.zst");
    const char *tail = packed ? ".zst" : "";
    char *name = malloc(stem + strlen(suffix) + strlen(tail) + 1);
    if (!name)
        return NULL;
    memcpy(name, input, stem);
    strcpy(name + stem, suffix);
    strcat(name + stem, tail);
    return name;
}

bool output_name_is_packed(const char *path)
{
    return ends_in(path, ".zst");
}

static int cannot(const struct output *o, const char *what, struct eh_error *e)
{
    return eh_fail(e, EH_ERR_IO, errno, EH_NO_OFFSET, "%s: %s", o->name, what);
}

static int status_of_input(const char *path, struct platform_status *ret_status)
{
    return strcmp(path, "-") ? platform_status_of_path(path, ret_status)
                             : platform_status_of_fd(PLATFORM_STDIN, ret_status);
}

/* Files only: one terminal or /dev/null may well be both. */
static int refuse_inputs(const struct output *o, const struct output_request *r,
                         const struct platform_status *status, struct eh_error *e)
{
    for (size_t i = 0; status->kind == PLATFORM_FILE && i < r->input_count; i++) {
        struct platform_status input;
        if (status_of_input(r->inputs[i], &input) == 0 && platform_same_file(status, &input))
            return eh_fail(e, EH_ERR_IO, 0, EH_NO_OFFSET,
                           "%s: is also an input and would be overwritten; "
                           "name another output with %s",
                           o->name, r->option);
    }
    return 0;
}

static int refuse_terminal(const struct output *o, const struct output_request *r,
                           struct eh_error *e)
{
    if (!r->binary || !platform_is_terminal(o->fd))
        return 0;
    return eh_fail(e, EH_ERR_IO, 0, EH_NO_OFFSET,
                   "%s: is a terminal, and this output is not text; "
                   "name a file with -o, or send it into a pipe",
                   o->name);
}

static int open_stdout(struct output *o, const struct output_request *r, struct eh_error *e)
{
    struct platform_status status;
    o->name = "standard output";
    o->is_stdout = true;
    o->fd = PLATFORM_STDOUT;
    if (platform_status_of_fd(o->fd, &status) < 0)
        return cannot(o, "cannot write", e);
    return refuse_inputs(o, r, &status, e) < 0 ? -1 : refuse_terminal(o, r, e);
}

static int open_stream(struct output *o, const struct output_request *r, struct eh_error *e)
{
    o->fd = platform_open_stream(r->path);
    if (o->fd < 0)
        return cannot(o, "cannot open for writing", e);
    o->open = true;
    return refuse_terminal(o, r, e);
}

static int open_file(struct output *o, const struct output_request *r,
                     const struct platform_status *status, struct eh_error *e)
{
    if (refuse_inputs(o, r, status, e) < 0)
        return -1;
    if (status->kind != PLATFORM_NOTHING && !r->force)
        return eh_fail(e, EH_ERR_IO, 0, EH_NO_OFFSET,
                       "%s: already exists; -f replaces it, %s names another", o->name, r->option);
    o->replace = r->force;
    o->together = r->together;
    o->path = platform_resolve(r->path);
    if (!o->path)
        return cannot(o, "cannot write", e);
    o->fd = platform_create_temporary(o->path, &o->temporary);
    if (o->fd < 0)
        return cannot(o, "cannot write in this folder", e);
    o->open = true;
    return 0;
}

/* A path that leads to where standard output goes (/dev/stdout, and what the shell opened). */
static bool is_stdout(const struct platform_status *status)
{
    struct platform_status standard;
    return platform_status_of_fd(PLATFORM_STDOUT, &standard) == 0 &&
           (status->kind == PLATFORM_FILE || status->kind == PLATFORM_STREAM) &&
           platform_same_file(status, &standard);
}

static int open_path(struct output *o, const struct output_request *r, struct eh_error *e)
{
    struct platform_status status;
    if (platform_status_of_path(r->path, &status) < 0)
        return cannot(o, "cannot write", e);
    if (is_stdout(&status))
        return open_stdout(o, r, e);
    if (status.kind == PLATFORM_FOLDER)
        return eh_fail(e, EH_ERR_IO, 0, EH_NO_OFFSET, "%s: is a folder; name a file in it",
                       o->name);
    return status.kind == PLATFORM_STREAM ? open_stream(o, r, e) : open_file(o, r, &status, e);
}

int output_open(struct output *o, const struct output_request *r, struct eh_error *e)
{
    o->name = r->path;
    int result = strcmp(r->path, "-") ? open_path(o, r, e) : open_stdout(o, r, e);
    if (result < 0)
        output_discard(o);
    return result;
}

bool output_same(const struct output *a, const struct output *b)
{
    if (a->is_stdout || b->is_stdout)
        return a->is_stdout && b->is_stdout;
    return a->path && b->path && !strcmp(a->path, b->path);
}

int output_close(struct output *o, struct eh_error *e)
{
    if (!o->open)
        return 0;
    o->open = false;
    return platform_close(o->fd) < 0 ? cannot(o, "cannot write", e) : 0;
}

int output_reopen(struct output *o, struct eh_error *e)
{
    o->fd = platform_open_end(o->temporary);
    if (o->fd < 0)
        return cannot(o, "cannot write", e);
    o->open = true;
    return 0;
}

/* Where that fails, what was replaced is there under its other name, and the user must hear of it. */
static void put_back(struct output *o, struct eh_error *e)
{
    char kept[sizeof e->text / 2];
    if (!o->kept)
        return;
    snprintf(kept, sizeof kept, "%s", o->kept);
    if (platform_put_back(o->kept, o->path) < 0)
        eh_context(e, "%s: cannot put back what it replaced, now %s", o->name, kept);
    o->kept = NULL;
}

int output_publish(struct output *o, struct eh_error *e)
{
    if (output_close(o, e) < 0)
        return -1;
    if (!o->temporary)
        return 0;
    if ((o->together && o->replace && platform_keep(o->path, &o->kept) < 0) ||
        platform_publish(o->temporary, o->path, o->replace) < 0) {
        cannot(o, "cannot give the finished file its name", e);
        put_back(o, e);
        return -1;
    }
    o->temporary = NULL;
    return 0;
}

void output_withdraw(struct output *o, struct eh_error *e)
{
    if (!o->path || o->temporary)
        return;
    if (!o->kept)
        platform_remove(o->path);
    put_back(o, e);
}

void output_discard(struct output *o)
{
    if (o->open)
        platform_close(o->fd);
    if (o->temporary)
        platform_remove_temporary(o->temporary);
    if (o->kept)
        platform_remove_temporary(o->kept);
    free(o->path);
    *o = (struct output){.name = o->name, .is_stdout = o->is_stdout};
}

int output_finish_text(struct eh_error *e)
{
    if (!fflush(stdout) && !ferror(stdout))
        return 0;
    return eh_fail(e, EH_ERR_IO, errno, EH_NO_OFFSET, "standard output: cannot write");
}
