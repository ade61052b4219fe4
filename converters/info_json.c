/* The report for scripts. */
#include "info_names.h"
#include "info_print.h"
#include "json.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static void write_date(struct json *j, const char *name, bool known, int64_t unix_ns)
{
    char text[TEXT_UTC_BYTES + 1];
    *put_utc(text, unix_ns) = 0;
    json_text(j, name, known ? text : NULL);
}

static void write_states(struct json *j, const struct eh_session *s)
{
    const unsigned states = sizeof s->states / sizeof *s->states;
    json_open_flat(j, "compressed_by_state", '{');
    for (unsigned i = 0; i < states; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u%s", i, i == states - 1 ? "+" : "");
        if (s->states[i])
            json_u64(j, name, s->states[i]);
    }
    json_close(j, '}');
}

static void write_session(struct json *j, const struct eh_session *s, bool shape)
{
    struct info_mode mode;
    json_open(j, NULL, '{');
    json_u64(j, "input", s->input);
    json_i64(j, "offset", s->offset);
    if (!shape) {
        json_text(j, "name", s->name);
        write_date(j, "start", true, s->start_unix_ns);
        write_date(j, "end", s->has_end, s->end_unix_ns);
        write_date(j, "boot", s->has_boot, s->boot_unix_ns);
    }
    json_bool(j, "ended", s->has_end);
    json_u64(j, "os_major", s->os_major);
    json_u64(j, "os_minor", s->os_minor);
    json_u64(j, "os_build", s->os_build);
    json_u64(j, "pointer_size", s->pointer_size);
    json_u64(j, "processors", s->processors);
    json_text(j, "clock", info_clock_name(s->clock_type));
    json_i64(j, "clock_frequency", s->frequency);
    json_bool(j, "clock_assumed", s->clock_assumed);
    json_u64(j, "mode", s->mode);
    json_text(j, "mode_says", info_mode(&mode, s->mode));
    json_u64(j, "buffer_size", s->buffer_size);
    json_u64(j, "buffers_written", s->buffers_written);
    json_u64(j, "buffers", s->buffers);
    json_u64(j, "processors_seen", s->processors_seen);
    json_u64(j, "stored_bytes", s->stored_bytes);
    json_u64(j, "compressed_buffers", s->compressed);
    json_u64(j, "compressed_bytes", s->compressed_bytes);
    json_u64(j, "expanded_bytes", s->expanded_bytes);
    write_states(j, s);
    json_i64(j, "first_sequence", s->first_sequence);
    json_i64(j, "last_sequence", s->last_sequence);
    json_u64(j, "events_lost", s->events_lost);
    json_u64(j, "buffers_lost", s->buffers_lost);
    json_bool(j, "same_axis", s->same_axis);
    if (s->same_axis)
        json_i64(j, "drift_ns", s->drift_ns);
    json_close(j, '}');
}

static void write_sessions(struct json *j, const struct eh_census *c, bool shape)
{
    json_open(j, "sessions", '[');
    for (size_t i = 0; i < c->session_count; i++)
        write_session(j, &c->sessions[i], shape);
    json_close(j, ']');
}

/* ---- records ---- */

static void write_sizes(struct json *j, const struct eh_record_kind *k)
{
    json_open_flat(j, "payload_sizes", '{');
    for (unsigned i = 0; i < k->size_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", (unsigned)k->sizes[i].bytes);
        json_u64(j, name, k->sizes[i].count);
    }
    json_close(j, '}');
    if (!k->other_sizes)
        return;
    json_u64(j, "other_sizes", k->other_sizes);
    json_u64(j, "least_size", k->least_size);
    json_u64(j, "greatest_size", k->greatest_size);
}

static void write_kind(struct json *j, const struct eh_census *c, const struct eh_record_kind *k)
{
    struct info_safe name;
    struct info_number header;
    json_open_flat(j, NULL, '{');
    json_text(j, "header", info_header(&header, k->header));
    if (k->has_hook)
        json_hex(j, "hook", k->hook);
    if (k->provider != EH_NO_ID) {
        char guid[INFO_GUID_BYTES];
        info_guid_text(c->providers[k->provider].guid, guid);
        json_text(j, "guid", guid);
        json_u64(j, "opcode", k->hook);
        json_u64(j, "id", k->event);
    }
    json_u64(j, "version", k->version);
    json_text(j, "name", info_kind(&name, c, k));
    json_u64(j, "count", k->count);
    json_u64(j, "bytes", k->bytes);
    write_sizes(j, k);
    json_close(j, '}');
}

static void write_providers(struct json *j, const struct eh_census *c)
{
    json_open(j, "providers", '[');
    for (size_t i = 0; i < c->provider_count; i++) {
        char guid[INFO_GUID_BYTES];
        info_guid_text(c->providers[i].guid, guid);
        json_open_flat(j, NULL, '{');
        json_text(j, "guid", guid);
        json_text(j, "name", info_provider_name(c->providers[i].guid));
        json_u64(j, "count", c->providers[i].count);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void write_records(struct json *j, const struct eh_census *c)
{
    json_open(j, "records", '{');
    json_bool(j, "sample", c->extent == EH_CENSUS_SAMPLE);
    json_u64(j, "buffers", c->buffers);
    json_u64(j, "bytes", c->bytes);
    json_u64(j, "buffers_read", c->buffers_read);
    json_u64(j, "bytes_read", c->bytes_read);
    json_u64(j, "events", c->events);
    json_u64(j, "of_other_kinds", c->other_events);
    json_open(j, "kinds", '[');
    for (size_t i = 0; i < c->kind_count; i++)
        write_kind(j, c, &c->kinds[i]);
    json_close(j, ']');
    write_providers(j, c);
    json_close(j, '}');
}

/* ---- heaps, stacks, images ---- */

static void write_heap(struct json *j, const struct info_facts *f, uint32_t heap)
{
    const struct eh_heap *h = eh_model_heap(f->model, heap);
    const struct eh_process *p = eh_model_process(f->model, h->process);
    json_open_flat(j, NULL, '{');
    if (h->process)
        json_u64(j, "process_id", p->pid);
    else
        json_null(j, "process_id");
    json_text(j, "process_name", p->name);
    json_hex(j, "heap", h->handle);
    json_u64(j, "events", f->heaps[heap].events);
    json_u64(j, "peak_live_bytes", f->heaps[heap].peak_bytes);
    json_u64(j, "outstanding_bytes", f->heaps[heap].live_bytes);
    json_u64(j, "outstanding_blocks", f->heaps[heap].live_blocks);
    json_close(j, '}');
}

static void write_process(struct json *j, const struct info_facts *f, uint32_t process)
{
    const struct eh_process *p = eh_model_process(f->model, process);
    json_open_flat(j, NULL, '{');
    if (process)
        json_u64(j, "process_id", p->pid);
    else
        json_null(j, "process_id");
    json_text(j, "process_name", p->name);
    json_u64(j, "events", f->processes[process].events);
    json_u64(j, "with_stack", f->processes[process].with_stack);
    json_close(j, '}');
}

static void write_owners(struct json *j, const struct info_facts *f)
{
    json_open(j, "processes", '[');
    for (uint32_t i = 0; i < eh_model_processes(f->model) && i < f->process_room; i++)
        if (f->processes[i].events)
            write_process(j, f, i);
    json_close(j, ']');
    json_open(j, "heaps", '[');
    for (uint32_t i = 1; i < eh_model_heaps(f->model); i++)
        write_heap(j, f, i);
    json_close(j, ']');
}

static void write_image(struct json *j, const struct eh_image *i)
{
    char id[2 * sizeof i->build_id + 1], *at = id;
    for (size_t k = 0; k < sizeof i->build_id; k++)
        at = put_hex_pair(at, i->build_id[k]);
    *at = 0;
    json_open_flat(j, NULL, '{');
    json_text(j, "path", i->path);
    json_text(j, "pdb", i->pdb_name);
    json_text(j, "build_id", i->has_build_id ? id : NULL);
    json_close(j, '}');
}

static void write_images(struct json *j, const struct eh_model *m)
{
    json_open(j, "images", '[');
    for (uint32_t i = 1; i < eh_model_images(m); i++)
        write_image(j, eh_model_image(m, i));
    json_close(j, ']');
}

static void write_roles(struct json *j, const struct info_facts *f)
{
    static const char *const names[EH_ROLES] = {
        "other", "heap",         "heap_class", "process", "thread",    "context_switch",
        "image", "pdb_identity", "volume",     "stack",   "stack_key", "stack_definition",
    };
    json_open(j, "roles", '{');
    for (int i = 0; i < EH_ROLES; i++)
        json_u64(j, names[i], f->by_role[i]);
    json_close(j, '}');
}

static void write_sources(struct json *j, const char *name, const uint64_t sources[INFO_SOURCES])
{
    json_open_flat(j, name, '{');
    for (unsigned i = 0; i < INFO_SOURCES; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u%s", i, i == INFO_SOURCES - 1 ? "+" : "");
        if (sources[i])
            json_u64(j, key, sources[i]);
    }
    json_close(j, '}');
}

static void write_doubts(struct json *j, const struct info_facts *f)
{
    const struct info_doubts *d = &f->doubts;
    json_open(j, "doubts", '{');
    json_u64(j, "heap_records_32bit", f->narrow_heap_records);
    json_u64(j, "reallocs_in_place", d->reallocs_in_place);
    json_u64(j, "reallocs_moving", d->reallocs_moving);
    json_u64(j, "reallocs_to_nowhere", d->reallocs_to_nowhere);
    json_u64(j, "reallocs_that_add", d->reallocs_that_add);
    json_u64(j, "reallocs_that_drop", d->reallocs_that_drop);
    json_u64(j, "frees_of_nowhere", d->frees_of_nowhere);
    json_u64(j, "late_frees", d->late_frees);
    write_sources(j, "sources_of_allocs", d->sources[INFO_ALLOC]);
    write_sources(j, "sources_of_frees", d->sources[INFO_FREE]);
    write_sources(j, "sources_of_reallocs", d->sources[INFO_REALLOC]);
    json_open_flat(j, "with_stack", '{');
    for (int kind = 0; kind < EH_HEAP_KINDS; kind++)
        if (d->with_stack[kind])
            json_u64(j, eh_kind_name((enum eh_kind)kind), d->with_stack[kind]);
    json_close(j, '}');
    json_close(j, '}');
}

/* ---- conclusions ---- */

static void write_finding(struct json *j, const struct info_finding *f, bool shape)
{
    json_open(j, NULL, '{');
    json_text(j, "id", f->id);
    json_text(j, "severity", info_severity_name(f->severity));
    if (!shape) {
        json_text(j, "text", f->text);
        json_text(j, "advice", f->advice);
    }
    json_close(j, '}');
}

static void write_diagnosis(struct json *j, const struct info_findings *findings, bool shape)
{
    json_open(j, "diagnosis", '[');
    for (size_t i = 0; i < findings->count; i++)
        write_finding(j, &findings->all[i], shape);
    json_close(j, ']');
}

static void write_outputs(struct json *j, const struct info_facts *f)
{
    struct info_output outputs[INFO_OUTPUTS];
    if (!f->rows)
        return;
    info_estimate(f, outputs);
    json_open(j, "outputs", '{');
    for (int i = 0; i < INFO_OUTPUTS; i++) {
        json_open(j, outputs[i].command, '{');
        json_u64(j, "bytes", outputs[i].bytes);
        json_u64(j, "percent_off", outputs[i].percent_off);
        json_text(j, "advice", outputs[i].advice);
        json_close(j, '}');
    }
    json_close(j, '}');
}

void info_write_json(struct out *out, const struct info_facts *f,
                     const struct info_findings *findings, const char *tool, bool shape)
{
    struct json j = {.out = out};
    json_open(&j, NULL, '{');
    json_text(&j, "tool", tool);
    json_bool(&j, "shape", shape);
    json_u64(&j, "input_count", f->info->inputs);
    if (!shape) {
        json_open(&j, "inputs", '[');
        for (size_t i = 0; i < f->info->inputs; i++)
            json_text(&j, NULL, f->info->input_names[i]);
        json_close(&j, ']');
    }
    write_diagnosis(&j, findings, shape);
    write_sessions(&j, f->census, shape);
    write_records(&j, f->census);
    write_roles(&j, f);
    if (f->stats) {
        json_open(&j, "stats", '{');
        json_stats(&j, f->stats);
        json_close(&j, '}');
        write_doubts(&j, f);
        write_outputs(&j, f);
    }
    if (f->stats && !shape) {
        write_owners(&j, f);
        write_images(&j, f->model);
    }
    json_close(&j, '}');
}
