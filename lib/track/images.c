#include "track/images.h"

#include "base/array.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/map.h"
#include "decode/route.h"
#include "track/names.h"

#include <stdlib.h>
#include <string.h>

/* How many images with other bases a look-up steps over before it gives up: overlapping images
 * exist only in damaged or hostile traces. */
#define OVERLAP_STEPS 32

enum { TYPE_UNLOAD = 2 };

/* One stay of an image at a place. */
struct stay {
    uint64_t space; /* key of the image_space */
    uint64_t base, size;
    uint64_t from, to; /* moments; [from, to) */
    const char *path; /* as recorded, the model's */
    const char *pdb_name;
    uint32_t timestamp;
    uint32_t image; /* the model's, set by images_settle */
    bool open, has_build_id;
    uint8_t build_id[20];
};

struct volume {
    const char *nt, *dos;
    size_t nt_length, dos_length; /* without a last backslash */
};

/* A run of stays with the same space and base in the sorted array. */
struct place {
    uint64_t space, base;
    size_t first, count;
};

struct images {
    struct eh_model *model;
    struct stay *stays; /* stay 0 does not exist */
    size_t stay_count, stay_room;
    uint64_t moment;   /* image records so far */
    struct map latest; /* (space, base) to the latest stay */
    struct volume *volumes; /* volume 0 does not exist */
    size_t volume_count, volume_room;
    struct map volume_ids; /* (hash of its NT path, length) to volume */
    uint64_t salt; /* of that hash */
    struct place *places; /* by space and base */
    size_t place_count, place_room;
};

struct images *images_create(struct eh_model *model)
{
    struct images *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->model = model;
    x->stay_count = x->volume_count = 1;
    x->salt = hash_salt(x);
    return x;
}

void images_destroy(struct images *x)
{
    if (!x)
        return;
    free(x->stays);
    free(x->volumes);
    free(x->places);
    map_finish(&x->latest);
    map_finish(&x->volume_ids);
    free(x);
}

static uint64_t space_key(struct image_space s)
{
    return (uint64_t)s.kernel << 32 | s.id;
}

static int fail(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for images");
}

static const char *text(struct images *x, const struct raw_text *t)
{
    return name_in_model(x->model, t);
}

/* A new stay at (space, base) from `from` on, open: *ret_stay, NULL beyond the limit. 0, or -1
 * without memory. */
static int new_stay(struct images *x, uint64_t space, uint64_t from, const struct image_record *i,
                    struct stay **ret_stay)
{
    *ret_stay = NULL;
    if (x->stay_count >= LIMIT_IMAGES) {
        model_leave_out(x->model, EH_LEFT_IMAGES);
        return 0;
    }
    const char *path = text(x, &i->path);
    if (!path || ARRAY_RESERVE(x->stays, x->stay_room, x->stay_count + 1) < 0 ||
        map_set(&x->latest, space, i->base, (uint32_t)x->stay_count) < 0)
        return -1;
    struct stay *s = *ret_stay = &x->stays[x->stay_count++];
    *s = (struct stay){
        .space = space,
        .base = i->base,
        .size = i->size,
        .from = from,
        .to = UINT64_MAX,
        .path = path,
        .timestamp = i->timestamp,
        .open = true,
    };
    return 0;
}

static void close_stay(struct stay *s, uint64_t now)
{
    s->open = false;
    s->to = now;
}

/* A rundown or unload of an image whose load was not seen: it was there since the last one that
 * was at this base went, or since the beginning. */
static int extend_back(struct images *x, uint64_t space, const struct image_record *i,
                       struct stay **ret_stay)
{
    uint32_t latest = map_get(&x->latest, space, i->base);
    return new_stay(x, space, latest ? x->stays[latest].to : 0, i, ret_stay);
}

int images_record(struct images *x, struct image_space space, unsigned type,
                  const struct image_record *i, struct eh_error *e)
{
    uint64_t now = ++x->moment;
    uint64_t key = space_key(space);
    uint32_t latest = map_get(&x->latest, key, i->base);
    struct stay *s = latest && x->stays[latest].open ? &x->stays[latest] : NULL;
    if (type == TYPE_LOAD) {
        if (s && s->from + 1 == now && s->size == i->size && s->path == text(x, &i->path))
            return 0; /* the same record in another input */
        if (s)
            close_stay(s, now);
        return new_stay(x, key, now, i, &s) < 0 ? fail(e) : 0;
    }
    if (!s && extend_back(x, key, i, &s) < 0)
        return fail(e);
    if (s && type == TYPE_UNLOAD)
        close_stay(s, now);
    return 0;
}

int images_pdb(struct images *x, struct image_space space, const struct pdb_record *p,
               struct eh_error *e)
{
    /* The record follows its image's, so the latest stay at the base is meant (seen in merges). */
    uint32_t latest = map_get(&x->latest, space_key(space), p->base);
    if (!latest)
        return 0;
    struct stay *s = &x->stays[latest];
    s->has_build_id = true;
    memcpy(s->build_id, p->build_id, sizeof s->build_id);
    s->pdb_name = text(x, &p->name);
    return s->pdb_name ? 0 : fail(e);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Paths are hashed from front to back, in lower case, so that one walk tells the hash of each part. */
static uint64_t hash_step(uint64_t h, char c)
{
    h = (h ^ (uint8_t)lower(c)) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 32;
}

static bool begins_with(const char *s, const char *prefix, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (lower(s[i]) != lower(prefix[i]))
            return false; /* also at the end of s */
    return true;
}

static size_t without_last_slash(const char *s)
{
    size_t n = strlen(s);
    return n && s[n - 1] == '\\' ? n - 1 : n;
}

/* Enters a volume under its NT path, whose first volume it is (each of several inputs tells of
 * them). Of two paths with the same hash, which do not happen, the first has it. 0, or -1 without
 * memory. */
static int add_volume(struct images *x, const struct volume *v)
{
    uint64_t hash = x->salt;
    for (size_t i = 0; i < v->nt_length; i++)
        hash = hash_step(hash, v->nt[i]);
    if (map_get(&x->volume_ids, hash, v->nt_length))
        return 0;
    /* Beyond the limit, paths stay as they were recorded. */
    if (x->volume_count > LIMIT_VOLUMES) {
        model_leave_out(x->model, EH_LEFT_VOLUMES);
        return 0;
    }
    if (ARRAY_RESERVE(x->volumes, x->volume_room, x->volume_count + 1) < 0 ||
        map_set(&x->volume_ids, hash, v->nt_length, (uint32_t)x->volume_count) < 0)
        return -1;
    x->volumes[x->volume_count++] = *v;
    return 0;
}

int images_volume(struct images *x, const struct volume_record *r, struct eh_error *e)
{
    struct volume v = {.nt = text(x, &r->nt_path), .dos = text(x, &r->dos_path)};
    if (!v.nt || !v.dos)
        return fail(e);
    v.nt_length = without_last_slash(v.nt);
    v.dos_length = without_last_slash(v.dos);
    return v.nt_length && add_volume(x, &v) < 0 ? fail(e) : 0;
}

/* The volume a path lies on, the one told of first where several would do; NULL when none is known. */
static const struct volume *volume_of(const struct images *x, const char *path)
{
    uint32_t first = 0;
    uint64_t hash = x->salt;
    for (size_t i = 0; path[i]; i++) {
        uint32_t id = path[i] == '\\' ? map_get(&x->volume_ids, hash, i) : 0;
        if (id && (!first || id < first) && begins_with(path, x->volumes[id].nt, i))
            first = id;
        hash = hash_step(hash, path[i]);
    }
    return first ? &x->volumes[first] : NULL;
}

/* An NT path with its volume's drive letter, or as it is. NULL without memory. */
static const char *drive_path(struct images *x, const char *path)
{
    const struct volume *v = volume_of(x, path);
    if (!v)
        return path;
    size_t rest = strlen(path + v->nt_length);
    char *joined = malloc(v->dos_length + rest);
    if (!joined)
        return NULL;
    memcpy(joined, v->dos, v->dos_length);
    memcpy(joined + v->dos_length, path + v->nt_length, rest);
    const char *s = model_string(x->model, joined, v->dos_length + rest);
    free(joined);
    return s;
}

static const char *file_name(const char *path)
{
    const char *name = path;
    for (const char *c = path; *c; c++)
        if ((*c == '\\' || *c == '/') && c[1])
            name = c + 1;
    return name;
}

static int order(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_stays(const void *left, const void *right)
{
    const struct stay *a = left, *b = right;
    int by = order(a->space, b->space);
    if (!by)
        by = order(a->base, b->base);
    if (!by)
        by = a->from < b->from ? -1 : a->from > b->from;
    return by ? by : order(a->to, b->to);
}

/* The model's images are the distinct files by path, size and time stamp: the same file in many
 * processes is one, and has the PDB that the first of its stays with a PDB told. */
static int intern_image(struct images *x, struct map *known, struct stay *s)
{
    struct eh_image image = {
        .path = drive_path(x, s->path), .size = s->size, .timestamp = s->timestamp};
    if (!image.path)
        return -1;
    image.file_name = file_name(image.path);
    uint64_t path = (uint64_t)(uintptr_t)image.path; /* interned: one pointer, one path */
    uint64_t version = hash_u64(s->size) ^ s->timestamp;
    s->image = map_get(known, path, version);
    const struct eh_image *found = eh_model_image(x->model, s->image);
    if (s->image && (found->size != image.size || found->timestamp != image.timestamp))
        s->image = 0; /* another version with the same hash */
    if (!s->image && (model_add_image(x->model, &image, &s->image) < 0 ||
                      map_set(known, path, version, s->image) < 0))
        return -1;
    struct eh_image *shared = model_image(x->model, s->image);
    if (s->has_build_id && !shared->has_build_id) {
        shared->has_build_id = true;
        shared->pdb_name = s->pdb_name;
        memcpy(shared->build_id, s->build_id, sizeof shared->build_id);
    }
    return 0;
}

static int add_place(struct images *x, size_t stay)
{
    const struct stay *s = &x->stays[stay];
    struct place *last = x->place_count ? &x->places[x->place_count - 1] : NULL;
    if (last && last->space == s->space && last->base == s->base) {
        last->count++;
        return 0;
    }
    if (ARRAY_RESERVE(x->places, x->place_room, x->place_count + 1) < 0)
        return -1;
    x->places[x->place_count++] = (struct place){s->space, s->base, stay, 1};
    return 0;
}

int images_settle(struct images *x, struct eh_error *e)
{
    if (x->stay_count > 1)
        qsort(x->stays + 1, x->stay_count - 1, sizeof *x->stays, compare_stays);
    struct map known = {0};
    int result = 0;
    for (size_t i = 1; i < x->stay_count && !result; i++)
        result = intern_image(x, &known, &x->stays[i]) < 0 || add_place(x, i) < 0 ? fail(e) : 0;
    map_finish(&known);
    map_finish(&x->latest);
    return result;
}

/* Index behind the last place of `space` with a base at or below `address`. */
static size_t places_below(const struct images *x, uint64_t space, uint64_t address)
{
    size_t low = 0, high = x->place_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct place *p = &x->places[middle];
        if (p->space < space || (p->space == space && p->base <= address))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The stay at a place that covers `moment`, or NULL. */
static const struct stay *stay_at(const struct images *x, const struct place *p, uint64_t moment)
{
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (x->stays[p->first + middle].from <= moment)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return NULL;
    const struct stay *s = &x->stays[p->first + low - 1];
    return moment < s->to ? s : NULL;
}

static const struct stay *find_stay(const struct images *x, struct image_space space,
                                    uint64_t moment, uint64_t address)
{
    uint64_t key = space_key(space);
    size_t i = places_below(x, key, address);
    for (int steps = 0; i-- > 0 && steps < OVERLAP_STEPS; steps++) {
        const struct place *p = &x->places[i];
        if (p->space != key)
            return NULL;
        const struct stay *s = stay_at(x, p, moment);
        if (s && address - s->base < s->size)
            return s;
    }
    return NULL;
}

struct eh_frame images_frame(const struct images *x, uint32_t process, uint32_t boot,
                             uint64_t moment, uint64_t address, bool kernel_address)
{
    const struct stay *s = find_stay(x, (struct image_space){false, process}, moment, address);
    if (!s && kernel_address)
        s = find_stay(x, (struct image_space){true, boot}, moment, address);
    if (!s)
        return (struct eh_frame){.address = address};
    return (struct eh_frame){address, address - s->base, s->image};
}
