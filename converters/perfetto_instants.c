#include "perfetto_instants.h"

#include "base/array.h"
#include "base/limits.h"
#include "perfetto_packet.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* The arguments in the order of their iids, from 1. */
enum argument {
    ARG_HEAP = 1,
    ARG_ADDRESS,
    ARG_SIZE,
    ARG_SOURCE,
    ARG_LIFETIME,
    ARG_OLD_ADDRESS,
    ARG_OLD_SIZE,
    ARGS_END
};

static const char *const argument_names[ARGS_END] = {
    [ARG_HEAP] = "heap",
    [ARG_ADDRESS] = "address",
    [ARG_SIZE] = "size_bytes",
    [ARG_SOURCE] = "source",
    [ARG_LIFETIME] = "lifetime_ns",
    [ARG_OLD_ADDRESS] = "old_address",
    [ARG_OLD_SIZE] = "old_size_bytes",
};

/* Kinds' iids are their numbers plus 1, sources' iids their numbers. */
#define KINDS        3
#define SOURCES_END  32

struct names {
    Perfetto__EventName kind[KINDS], *kinds[KINDS];
    Perfetto__DebugAnnotationName argument[ARGS_END], *arguments[ARGS_END];
    Perfetto__InternedString source[SOURCES_END], *sources[SOURCES_END];
};

static void add_kinds(struct names *n, Perfetto__InternedData *data)
{
    for (int kind = EH_ALLOC; kind <= EH_REALLOC; kind++) {
        Perfetto__EventName *name = &n->kind[data->n_event_names];
        perfetto__event_name__init(name);
        name->has_iid = 1;
        name->iid = (uint64_t)kind + 1;
        name->name = (char *)eh_kind_name((enum eh_kind)kind);
        n->kinds[data->n_event_names++] = name;
    }
    data->event_names = n->kinds;
}

static void add_arguments(struct names *n, Perfetto__InternedData *data)
{
    for (int argument = ARG_HEAP; argument < ARGS_END; argument++) {
        Perfetto__DebugAnnotationName *name = &n->argument[data->n_debug_annotation_names];
        perfetto__debug_annotation_name__init(name);
        name->has_iid = 1;
        name->iid = (uint64_t)argument;
        name->name = (char *)argument_names[argument];
        n->arguments[data->n_debug_annotation_names++] = name;
    }
    data->debug_annotation_names = n->arguments;
}

static void add_sources(struct names *n, Perfetto__InternedData *data)
{
    size_t count = 0;
    for (uint32_t source = 1; source < SOURCES_END; source++) {
        const char *word = eh_source_name(source);
        if (!word)
            continue;
        Perfetto__InternedString *string = &n->source[count];
        perfetto__interned_string__init(string);
        string->has_iid = string->has_str = 1;
        string->iid = source;
        string->str = (ProtobufCBinaryData){strlen(word), (uint8_t *)word};
        n->sources[count++] = string;
    }
    data->n_debug_annotation_string_values = count;
    data->debug_annotation_string_values = n->sources;
}

void instants_open(struct instants *i, struct sequence *s, int64_t from_ns)
{
    sequence_open(s, i->trace, from_ns, 0, 0);
    struct names names;
    Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
    add_kinds(&names, &data);
    add_arguments(&names, &data);
    add_sources(&names, &data);
    Perfetto__TracePacket p = PERFETTO__TRACE_PACKET__INIT;
    p.has_trusted_packet_sequence_id = p.has_sequence_flags = 1;
    p.trusted_packet_sequence_id = s->id;
    p.sequence_flags = PERFETTO__TRACE_PACKET__SEQUENCE_FLAGS__SEQ_NEEDS_INCREMENTAL_STATE;
    p.interned_data = &data;
    trace_write(i->trace, &p);
}

/* The iid of a stack, which is its id; 0 when memory ran out. */
static uint32_t callstack_iid(struct instants *i, uint32_t sequence, uint32_t stack)
{
    size_t room = i->stack_known_room;
    if (ARRAY_RESERVE(i->stack_known, i->stack_known_room, (size_t)stack + 1) < 0) {
        i->trace->out_of_memory = true;
        return 0;
    }
    memset(i->stack_known + room, 0, i->stack_known_room - room);
    if (i->stack_known[stack])
        return stack;
    struct eh_stack s = eh_model_stack(i->trace->model, stack);
    uint32_t frames[LIMIT_STACK_FRAMES];
    size_t count = s.depth < LIMIT_STACK_FRAMES ? s.depth : LIMIT_STACK_FRAMES;
    if (!count)
        return 0;
    uint32_t left_out = intern_left_out(i->intern, sequence);
    if (left_out) {
        frames[0] = left_out;
        count = 1;
    }
    for (size_t k = 0; k < count && !left_out; k++)
        frames[count - 1 - k] = intern_frame(i->intern, sequence, s.frames[k]);
    intern_callstack(i->intern, sequence, stack, frames, count);
    intern_flush(i->intern);
    i->stack_known[stack] = 1;
    return stack;
}

static void add(struct instant *i, enum argument name, uint32_t field, uint64_t value)
{
    i->annotation[i->annotations++] =
        (struct annotation){.name = name, .field = field, .value = value};
}

/* `number` has room for TEXT_U64_BYTES and a NUL. */
static void add_source(struct instant *i, uint32_t source, char *number)
{
    if (source < SOURCES_END && eh_source_name(source)) {
        add(i, ARG_SOURCE, ANNOTATION_STRING, source);
        return;
    }
    *put_u64(number, source) = 0;
    i->annotation[i->annotations++] =
        (struct annotation){.name = ARG_SOURCE, .field = ANNOTATION_TEXT, .text = number};
}

void instants_write(struct instants *i, struct sequence *s, uint64_t track,
                    const struct eh_event *row)
{
    struct instant it = {.sequence = s->id, .track = track, .name = row->kind + 1u};
    char number[TEXT_U64_BYTES + 1];
    if (row->flags & EH_HAS_HEAP)
        add(&it, ARG_HEAP, ANNOTATION_POINTER, row->heap);
    if (row->flags & EH_HAS_ADDRESS)
        add(&it, ARG_ADDRESS, ANNOTATION_POINTER, row->address);
    if (row->flags & EH_HAS_SIZE)
        add(&it, ARG_SIZE, ANNOTATION_UINT, row->size);
    if (row->flags & EH_HAS_SOURCE)
        add_source(&it, row->source, number);
    if (row->kind == EH_FREE && row->flags & EH_HAS_LIFETIME)
        add(&it, ARG_LIFETIME, ANNOTATION_UINT, (uint64_t)row->lifetime_ns);
    if (row->kind == EH_REALLOC && row->flags & EH_HAS_HEAP) {
        add(&it, ARG_OLD_ADDRESS, ANNOTATION_POINTER, row->old_address);
        add(&it, ARG_OLD_SIZE, ANNOTATION_UINT, row->old_size);
    }
    if (row->stack)
        it.callstack = callstack_iid(i, s->id, row->stack);
    it.delta = sequence_step(s, row->time_ns);
    char *at = out_reserve(i->trace->out, PACKET_INSTANT_BYTES);
    out_commit(i->trace->out, put_instant(at, &it));
}

void instants_restart(struct instants *i)
{
    if (i->stack_known_room)
        memset(i->stack_known, 0, i->stack_known_room);
}

void instants_finish(struct instants *i)
{
    free(i->stack_known);
}
