/* `etlgen case`: a text that describes buffers and records, turned into a file (CASE.md). */
#include "base/array.h"
#include "case_file.h"
#include "case_record.h"
#include "gen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CASE_TEXT_BYTES = 256 << 20 };

/* A change to the finished file. */
struct patch {
    unsigned line;
    bool in_buffer;
    size_t buffer;
    bool from_end;
    uint64_t offset;
    struct bytes bytes; /* overwrite what is there */
    uint64_t removed;   /* bytes that go instead */
};

struct job {
    struct case_file file;
    struct case_set set;
    struct patch *patches;
    size_t patch_count, patch_room;
    bool cuts;       /* the last cut line */
    bool cut_at_end; /* its number counts from the end */
    uint64_t cut;
    unsigned cut_line;
};

static void set_line(struct job *job, struct case_line *l)
{
    static const char *const keys[] = {"pid", "tid", "cpu", "heap", "bits", "kind", NULL};
    for (size_t i = 0; i < l->count; i++) {
        struct case_field *f = &l->fields[i];
        size_t key = 0, place = 0;
        while (keys[key] && strcmp(keys[key], f->key) != 0)
            key++;
        f->used = keys[key] != NULL; /* line_finish() reports the others */
        if (!f->used)
            continue;
        while (place < job->set.count && strcmp(job->set.fields[place].key, f->key) != 0)
            place++;
        job->set.fields[place] = *f;
        job->set.count += place == job->set.count;
    }
}

static void bytes_line(struct job *job, struct case_line *l)
{
    struct bytes *into = case_place(&job->file);
    uint64_t n = strcmp(l->word, "bytes") == 0 ? 0 : line_required(l, "n", 8);

    if (n > CASE_FILE_BYTES - into->length)
        line_fail(l, "%s n=%llu: the file grows too large", l->word, (unsigned long long)n);
    else if (strcmp(l->word, "bytes") == 0)
        line_hex(l, "hex", into);
    else
        bytes_fill(into, strcmp(l->word, "ff") == 0 ? 0xFF : 0, (size_t)n);
}

/* The first `length` bytes over and over, up to `whole`. */
static void repeat_bytes(uint8_t *at, size_t length, size_t whole)
{
    for (size_t i = length; i < whole; i++)
        at[i] = at[i - length];
}

static void patch_line(struct job *job, struct case_line *l, unsigned number)
{
    if (ARRAY_RESERVE(job->patches, job->patch_room, job->patch_count + 1) < 0) {
        line_fail(l, "out of memory");
        return;
    }
    struct patch *p = &job->patches[job->patch_count++];
    *p = (struct patch){.line = number};
    p->in_buffer = line_own_value(l, "buffer") != NULL;
    p->buffer = (size_t)line_number(l, "buffer", 4, 0);
    const char *offset = line_text(l, "offset", "0");
    p->from_end = *offset == '-';
    p->offset = text_number(l, "offset", offset + p->from_end, 8);
    p->removed = line_number(l, "remove", 8, 0);
    line_hex(l, "hex", &p->bytes);
    uint64_t times = line_number(l, "times", 4, 1);
    size_t length = p->bytes.length;
    if (p->removed && length)
        line_fail(l, "patch takes hex= or remove=");
    else if (!times || (length && times > CASE_FILE_BYTES / length))
        line_fail(l, "patch times=%llu: none, or too many", (unsigned long long)times);
    else if (length && !bytes_grow(&p->bytes, length * ((size_t)times - 1)))
        line_fail(l, "out of memory");
    else
        repeat_bytes(p->bytes.at, length, p->bytes.length);
}

static void cut_line(struct job *job, struct case_line *l, unsigned number)
{
    bool at = line_own_value(l, "at") != NULL;
    job->cuts = true;
    job->cut_line = number;
    job->cut_at_end = !at;
    job->cut = line_required(l, at ? "at" : "last", 8);
}

/* Directives of the file under construction, by word. */
static void (*file_directive(const char *word))(struct case_file *, struct case_line *)
{
    static const struct {
        const char *word;
        void (*run)(struct case_file *, struct case_line *);
    } directives[] = {
        {"session", case_session}, {"buffer", case_buffer}, {"end", case_end_buffer},
        {"flush", case_flush},     {"corrupt", case_corrupt}, {"wpp", case_wpp},
        {"ulong_time", case_ulong_time},
    };
    for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++) {
        if (strcmp(directives[i].word, word) == 0)
            return directives[i].run;
    }
    return NULL;
}

static void run_line(struct job *job, struct case_line *l, unsigned number)
{
    void (*directive)(struct case_file *, struct case_line *) = file_directive(l->word);

    if (directive || strcmp(l->word, "set") == 0 || strcmp(l->word, "patch") == 0 ||
        strcmp(l->word, "cut") == 0 || strcmp(l->word, "bytes") == 0) {
        if (*l->second)
            line_fail(l, "'%.40s' is no key=value", l->second);
    }
    if (directive)
        directive(&job->file, l);
    else if (strcmp(l->word, "set") == 0)
        set_line(job, l);
    else if (strcmp(l->word, "patch") == 0)
        patch_line(job, l, number);
    else if (strcmp(l->word, "cut") == 0)
        cut_line(job, l, number);
    else if (strcmp(l->word, "bytes") == 0 || strcmp(l->word, "zeros") == 0 ||
             strcmp(l->word, "ff") == 0)
        bytes_line(job, l);
    else if (*l->word)
        case_record(&job->file, l);
}

static int apply_patch(struct job *job, const char *path, const struct patch *p)
{
    struct bytes *out = &job->file.out;
    uint64_t base = 0;

    if (p->in_buffer) {
        if (p->buffer >= job->file.buffer_count)
            return gen_fail("%s:%u: the file has %zu buffers, counted from 0", path, p->line,
                            job->file.buffer_count);
        base = job->file.buffer_at[p->buffer];
    } else if (p->from_end) {
        base = out->length;
    }
    uint64_t at = p->from_end ? base - p->offset : base + p->offset;
    uint64_t length = p->removed ? p->removed : p->bytes.length;
    if (at > out->length || length > out->length - at)
        return gen_fail("%s:%u: the patch lies outside the file of %zu bytes", path, p->line,
                        out->length);
    if (p->removed) {
        uint8_t *hole = out->at + (size_t)at;
        out->length -= (size_t)length;
        memmove(hole, hole + (size_t)length, out->length - (size_t)at);
    } else if (length) {
        memcpy(out->at + (size_t)at, p->bytes.at, p->bytes.length);
    }
    return GEN_OK;
}

static int apply_changes(struct job *job, const char *path)
{
    struct bytes *out = &job->file.out;
    for (size_t i = 0; i < job->patch_count; i++) {
        int status = apply_patch(job, path, &job->patches[i]);
        if (status != GEN_OK)
            return status;
    }
    if (job->cuts && job->cut > out->length)
        return gen_fail("%s:%u: the file has only %zu bytes", path, job->cut_line, out->length);
    if (job->cuts)
        out->length = (size_t)(job->cut_at_end ? out->length - job->cut : job->cut);
    return GEN_OK;
}

static int compile(struct job *job, const char *path, char *text)
{
    struct case_line line = {.word = ""};
    unsigned number = 0;

    for (char *at = text; at && !line.failed;) {
        char *end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        number++;
        line_parse(&line, at, &job->set);
        if (!line.failed)
            run_line(job, &line, number);
        line_finish(&line);
        at = end;
    }
    if (!line.failed)
        case_complete(&job->file, &line);
    if (line.failed)
        return gen_fail("%s:%u: %s", path, number, line.error);
    return apply_changes(job, path);
}

/* The whole text, with a zero behind. GEN_OK or a status with a message printed. */
static int read_text(const char *path, struct bytes *into)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *stream = standard ? stdin : fopen(path, "rb");
    char chunk[1 << 14];
    size_t n;

    if (!stream)
        return gen_fail("%s: %s", path, strerror(errno));
    errno = 0;
    while (into->length < CASE_TEXT_BYTES && (n = fread(chunk, 1, sizeof chunk, stream)) > 0)
        bytes_append(into, chunk, n);
    int error = ferror(stream) ? errno ? errno : EIO : 0;
    if (!standard)
        fclose(stream);
    if (error)
        return gen_fail("%s: %s", path, strerror(error));
    if (into->length >= CASE_TEXT_BYTES)
        return gen_fail("%s: longer than %d bytes", path, CASE_TEXT_BYTES);
    if (into->length && memchr(into->at, '\0', into->length))
        return gen_fail("%s: holds a zero byte: no case text", path);
    bytes_number(into, 1, 0);
    return into->failed ? gen_fail("out of memory") : GEN_OK;
}

static int write_result(const struct bytes *out, const char *path, const char *input)
{
    struct gen_output output;
    int status = gen_output_open(&output, path, input);
    if (status != GEN_OK)
        return status;
    if (out->length)
        fwrite(out->at, 1, out->length, output.stream); /* gen_output_close reports failures */
    return gen_output_close(&output, true);
}

static void job_finish(struct job *job)
{
    for (size_t i = 0; i < job->patch_count; i++)
        bytes_finish(&job->patches[i].bytes);
    free(job->patches);
    case_file_finish(&job->file);
}

static int run_case(const char *input, const char *output)
{
    struct bytes text = {0};
    struct job *job = calloc(1, sizeof *job);
    int status = job ? read_text(input, &text) : gen_fail("out of memory");

    if (job) {
        case_file_init(&job->file);
        if (status == GEN_OK)
            status = compile(job, input, (char *)text.at);
        if (status == GEN_OK)
            status = write_result(&job->file.out, output, input);
        job_finish(job);
    }
    free(job);
    bytes_finish(&text);
    return status;
}

static int print_help(void)
{
    puts("Usage: etlgen case FILE.txt [-o FILE.etl]\n"
         "\n"
         "Compiles a text into a trace; '-' is standard input. One line, one thing: a word\n"
         "and key=value fields. # begins a comment. All fields have defaults. More is in\n"
         "CASE.md.\n"
         "\n"
         "  session ptr=8 cpus=2 clock=qpc raw0=1000 start=2024-01-01T10:00:00\n"
         "  set pid=100 tid=200 cpu=0 heap=0x10000    defaults for the lines below\n"
         "  alloc t=1.5ms addr=0x10040 size=24        also free, realloc, create, ...\n"
         "  alloc t=+10us bits=32 kind=perfinfo version=2 payload_cut=4 recsize=40\n"
         "  process start pid=100 name=app.exe        thread, image: start, end, load, ...\n"
         "  stack for=1.5ms frames=0x7ff612340010,0x7ff612340020\n"
         "  hook id=0x0020 hex=00010203               any record; also full, event, wpp\n"
         "  buffer cpu=1 seq=5 size=4096 compressed=xpress    until the next one, or end\n"
         "  bytes hex=..   zeros n=..   ff n=..       raw bytes, in the buffer or between\n"
         "  corrupt at=8 hex=ff                       in the open buffer, after packing\n"
         "  patch buffer=2 offset=0x30 hex=00   cut at=5000     the finished file\n"
         "\n"
         "  -o, --output FILE  where the trace goes (default: standard output)\n"
         "  -h, --help         this text\n"
         "\n"
         "Example:\n"
         "  printf 'session\\nalloc pid=1 addr=0x10 size=5\\n' | etlgen case - -o one.etl");
    return gen_finish_text();
}

int gen_case(int argc, char **argv)
{
    static const struct option options[] = {GEN_COMMON_OPTIONS, {0}};
    const char *output = NULL;
    int option;

    while ((option = gen_next_option(argc, argv, options)) != -1) {
        if (option == 'o')
            output = optarg;
        else
            return option == 'h' ? print_help() : GEN_USAGE;
    }
    if (optind == argc)
        return gen_usage("case", "which case file?");
    if (optind + 1 < argc)
        return gen_usage("case", "one case file at a time");
    return run_case(argv[optind], output);
}
