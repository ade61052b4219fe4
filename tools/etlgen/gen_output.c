/* Outputs are those of the converters: under a temporary name until complete. */
#include "gen.h"
#include "platform.h"

#include <errno.h>
#include <string.h>

void gen_start(void)
{
    platform_start();
}

int gen_finish_text(void)
{
    struct eh_error e;
    return output_finish_text(&e) < 0 ? gen_fail("%s", e.text) : GEN_OK;
}

int gen_output_open(struct gen_output *o, const char *path, const char *input)
{
    const struct output_request request = {
        .path = path ? path : "-",
        .option = "-o",
        .force = true,
        .binary = true,
        .inputs = &input,
        .input_count = input ? 1 : 0,
    };
    struct eh_error e;
    *o = (struct gen_output){0};
    if (output_open(&o->file, &request, &e) < 0)
        return gen_fail("%s", e.text);
    o->stream = o->file.is_stdout ? stdout : gen_stream(o->file.fd);
    if (o->stream)
        return GEN_OK;
    int status = gen_fail("%s: %s", o->file.name, strerror(errno));
    output_discard(&o->file);
    return status;
}

int gen_output_close(struct gen_output *o, bool complete)
{
    int status = GEN_OK;
    struct eh_error e;
    bool failed = ferror(o->stream) != 0;
    errno = 0;
    if ((o->file.open ? fclose(o->stream) : fflush(o->stream)) != 0)
        failed = true;
    if (failed)
        status = gen_fail("%s: %s", o->file.name, errno ? strerror(errno) : "cannot be written");
    else if (complete && output_publish(&o->file, &e) < 0)
        status = gen_fail("%s", e.text);
    output_discard(&o->file);
    return status;
}
