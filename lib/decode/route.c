#include "decode/route.h"

#include "container/etl_layout.h"

#include <string.h>

enum {
    GROUP_PROCESS = 0x03,
    GROUP_THREAD = 0x05,
    GROUP_HEAP = 0x10,
    GROUP_IMAGE = 0x14,
    GROUP_STACK = 0x18,
    HOOK_IMAGE_LOAD = 0x030A, /* in the process group, yet an image load */
    HOOK_SWITCH = 0x0524,
    HOOK_THREAD_NAME = 0x0548,
};

struct class {
    uint8_t guid[16];
    uint8_t group; /* 0: the route is fixed */
    uint8_t route;
    uint8_t opcode; /* for fixed routes: the only one of interest */
};

/* clang-format off */
static const struct class classes[] = {
    {{0xd0, 0xa8, 0x6f, 0x3d, 0x05, 0xfe, 0xd0, 0x11, 0x9d, 0xda, 0x00, 0xc0, 0x4f, 0xd7, 0xba, 0x7c}, GROUP_PROCESS, 0, 0},
    {{0xd1, 0xa8, 0x6f, 0x3d, 0x05, 0xfe, 0xd0, 0x11, 0x9d, 0xda, 0x00, 0xc0, 0x4f, 0xd7, 0xba, 0x7c}, GROUP_THREAD, 0, 0},
    {{0x1d, 0x5d, 0xb1, 0x2c, 0xc1, 0x5f, 0xd2, 0x11, 0xab, 0xe1, 0x00, 0xa0, 0xc9, 0x11, 0xf5, 0x18}, GROUP_IMAGE, 0, 0},
    {{0x46, 0xfe, 0xf2, 0xde, 0xd6, 0x7b, 0x80, 0x4b, 0xbd, 0x94, 0xf5, 0x7f, 0xe2, 0x0d, 0x0c, 0xe3}, GROUP_STACK, 0, 0},
    {{0xab, 0x62, 0x29, 0x22, 0x80, 0x61, 0x88, 0x4b, 0xa8, 0x25, 0x34, 0x6b, 0x75, 0xf2, 0xa2, 0x4a}, GROUP_HEAP, 0, 0},
    {{0xd7, 0x75, 0xe6, 0xb3, 0x54, 0x25, 0x18, 0x4f, 0x83, 0x0b, 0x27, 0x62, 0x73, 0x25, 0x60, 0xde}, 0, ROUTE_PDB, 36},
    {{0x91, 0xee, 0x79, 0x9b, 0xfd, 0xb5, 0xc0, 0x41, 0xa2, 0x43, 0x42, 0x48, 0xe2, 0x66, 0xe9, 0xd0}, 0, ROUTE_VOLUME, 35},
};
/* clang-format on */

static enum route route_stack(unsigned type)
{
    switch (type) {
    case 0x20:
        return ROUTE_STACK;
    case 0x22:
    case 0x23:
    case 0x24:
        return ROUTE_STACK_DEFINITION;
    case 0x25:
    case 0x26:
        return ROUTE_STACK_KEY;
    default:
        return ROUTE_NONE;
    }
}

static enum route route_image(unsigned type)
{
    return type == TYPE_LOAD || (type >= 2 && type <= 4) ? ROUTE_IMAGE : ROUTE_NONE;
}

static enum route route_thread(unsigned type)
{
    if (type == (HOOK_SWITCH & 0xFF))
        return ROUTE_SWITCH;
    if (type == (HOOK_THREAD_NAME & 0xFF))
        return ROUTE_THREAD_NAME;
    return type >= TYPE_START && type <= TYPE_DC_END ? ROUTE_THREAD : ROUTE_NONE;
}

static enum route route_group(unsigned group, unsigned type)
{
    switch (group) {
    case GROUP_HEAP:
        return ROUTE_HEAP;
    case GROUP_STACK:
        return route_stack(type);
    case GROUP_PROCESS:
        if (type == (HOOK_IMAGE_LOAD & 0xFF))
            return ROUTE_IMAGE;
        return type >= TYPE_START && type <= TYPE_DC_END ? ROUTE_PROCESS : ROUTE_NONE;
    case GROUP_THREAD:
        return route_thread(type);
    case GROUP_IMAGE:
        return route_image(type);
    default:
        return ROUTE_NONE;
    }
}

enum route route_hook(unsigned hook)
{
    return route_group(hook >> 8, hook & 0xFF);
}

static bool is_event_header(const struct record *r)
{
    return r->kind == REC_EVENT32 || r->kind == REC_EVENT64;
}

static enum route route_class(const struct record *r, unsigned *ret_type)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        const struct class *c = &classes[i];
        if (memcmp(c->guid, r->guid, 16) != 0)
            continue;
        if (c->group == GROUP_HEAP) {
            *ret_type = is_event_header(r) && !r->hook ? r->event : r->hook;
            return ROUTE_HEAP_CLASS;
        }
        if (is_event_header(r))
            return ROUTE_NONE;
        if (c->group)
            return route_group(c->group, r->hook);
        return r->hook == c->opcode ? (enum route)c->route : ROUTE_NONE;
    }
    return ROUTE_NONE;
}

enum route route_record(const struct record *r, unsigned *ret_type)
{
    *ret_type = r->hook & 0xFF;
    if (r->has_hook)
        return route_group(r->hook >> 8, *ret_type);
    return r->guid ? route_class(r, ret_type) : ROUTE_NONE;
}
