#include "track/owners.h"

#include "decode/route.h"

#include <check.h>
#include <string.h>

#define PID 100

/* One record of a script, and what the instance of PID must be after it. Instances are told by
 * letters: equal letters mean the same one in both passes, different ones mean others. */
struct step {
    unsigned type; /* 0: only asks */
    uint64_t key;
    int64_t raw;
    const char *name;
    char owner; /* 0: nobody asks */
    char ended; /* the instance that ended; 0: none */
};

#define STEPS 8

static const struct script {
    struct step steps[STEPS];
    const char *names; /* by letter from 'a', '-' for a nameless one */
} scripts[] = {
    /* Started, ended, and what comes then is a nameless one's. */
    {{{TYPE_START, 1, 1, "x", 'a', 0}, {TYPE_END, 1, 5, "x", 'b', 'a'}, {0, 0, 6, "", 'b', 0}},
     "x-"},
    /* Before the start: a nameless one, which that start ends. */
    {{{0, 0, 0, "", 'a', 0}, {TYPE_START, 1, 1, "x", 'b', 'a'}}, "-x"},
    /* A rundown at the end names it from the beginning. */
    {{{0, 0, 0, "", 'a', 0}, {TYPE_DC_END, 1, 9, "y", 'a', 0}}, "y"},
    /* The same start twice is one instance; with another key it closes the one before. */
    {{{TYPE_START, 1, 1, "x", 'a', 0},
      {TYPE_START, 1, 2, "x", 'a', 0},
      {TYPE_START, 2, 3, "z", 'b', 'a'}},
     "xz"},
    /* The same end twice ends it once. */
    {{{TYPE_START, 1, 1, "x", 'a', 0},
      {TYPE_END, 1, 5, "x", 'b', 'a'},
      {TYPE_END, 1, 5, "x", 'b', 0},
      {TYPE_START, 2, 7, "z", 'c', 'b'}},
     "x-z"},
    /* A rundown at the beginning and a start with its key are one. */
    {{{TYPE_DC_START, 4, 0, "x", 'a', 0}, {TYPE_START, 4, 1, "w", 'a', 0}}, "x"},
};
#define SCRIPTS (int)(sizeof scripts / sizeof *scripts)

static struct process_record record_of(const struct step *s)
{
    return (struct process_record){
        .pid = PID,
        .parent_pid = 4,
        .key = s->key,
        .has_key = true,
        .name = {(const uint8_t *)s->name, strlen(s->name), false},
    };
}

/* Nothing ended; but the second pass also ends the nameless instance before a first start, which
 * nobody has asked for. */
static void expect_none_of(uint32_t ended, const uint32_t ids[26], bool second)
{
    if (!second)
        ck_assert_uint_eq(ended, 0);
    for (int i = 0; i < 26 && ids[i]; i++)
        ck_assert_uint_ne(ended, ids[i]);
}

/* One pass over a script; ids[] are the instances by letter, set where they are not yet. */
static void pass(struct owners *o, const struct script *script, uint32_t ids[26], bool second)
{
    for (const struct step *s = script->steps; s < script->steps + STEPS && s->name; s++) {
        uint32_t ended = 0, owner;
        if (s->type) {
            struct process_record r = record_of(s);
            struct moment m = {.raw = s->raw, .time_ns = s->raw * 10};
            ck_assert_int_eq(owners_process_record(o, &m, s->type, &r, &ended, NULL), 0);
        }
        if (s->ended)
            ck_assert_uint_eq(ended, ids[s->ended - 'a']);
        else
            expect_none_of(ended, ids, second);
        if (!s->owner)
            continue;
        ck_assert_int_eq(owners_process(o, 0, PID, &owner, NULL), 0);
        uint32_t *id = &ids[s->owner - 'a'];
        for (int i = 0; !*id && i < 26; i++)
            ck_assert_uint_ne(owner, ids[i]);
        if (!*id)
            *id = owner;
        ck_assert_uint_eq(owner, *id);
    }
}

START_TEST(instances_of_a_pid)
{
    const struct script *script = &scripts[_i];
    struct eh_model *model = model_create();
    struct owners *o = owners_create(model);
    ck_assert_ptr_nonnull(o);
    uint32_t ids[26] = {0};
    pass(o, script, ids, false);
    for (size_t i = 0; script->names[i]; i++) {
        const struct eh_process *p = eh_model_process(model, ids[i]);
        ck_assert_uint_eq(p->pid, PID);
        if (script->names[i] == '-') {
            ck_assert_ptr_null(p->name);
        } else {
            ck_assert_uint_eq(p->name[0], script->names[i]);
            ck_assert_uint_eq(p->parent_pid, 4);
        }
    }
    ck_assert_int_eq(owners_settle(o, NULL), 0);
    size_t made = eh_model_processes(model);
    owners_restart(o);
    pass(o, script, ids, true);
    owners_destroy(o);
    ck_assert_uint_eq(eh_model_processes(model), made); /* the second pass makes none */
    model_destroy(model);
}
END_TEST

/* Starts PID once more; returns whose it is then. */
static uint32_t start_again(struct owners *o, unsigned time)
{
    struct step step = {TYPE_START, time, time, "x", 0, 0};
    struct process_record r = record_of(&step);
    struct moment m = {.raw = time, .time_ns = time};
    uint32_t ended, owner;
    ck_assert_int_eq(owners_process_record(o, &m, TYPE_START, &r, &ended, NULL), 0);
    ck_assert_int_eq(owners_process(o, 0, PID, &owner, NULL), 0);
    return owner;
}

/* Every instance of the past is found from every later moment. */
START_TEST(instances_of_the_past)
{
    enum { STARTS = 300 };
    struct eh_model *model = model_create();
    struct owners *o = owners_create(model);
    uint64_t epochs[STARTS];
    uint32_t ids[STARTS], then;
    for (unsigned i = 0; i < STARTS; i++)
        start_again(o, i + 1);
    ck_assert_int_eq(owners_settle(o, NULL), 0);
    owners_restart(o);
    for (unsigned i = 0; i < STARTS; i++) {
        ids[i] = start_again(o, i + 1);
        epochs[i] = owners_epoch(o);
        for (unsigned k = 0; k <= i; k++) {
            ck_assert(owners_process_at(o, 0, PID, epochs[k], &then, NULL) == 0);
            if (then != ids[k])
                ck_abort_msg("instance %u is not found from %u", k, i);
        }
    }
    ck_assert_uint_ne(ids[0], ids[STARTS - 1]);
    owners_destroy(o);
    model_destroy(model);
}
END_TEST

/* Of a pid all instances have stacks, or none. */
START_TEST(stacks_of_a_pid)
{
    struct eh_model *model = model_create();
    struct owners *o = owners_create(model);
    uint32_t ids[3], other;
    ids[0] = start_again(o, 1);
    ids[1] = start_again(o, 2);
    ck_assert_int_eq(owners_count_heap(o, 0, PID, 3, true, NULL), 0);
    ids[2] = start_again(o, 3);
    ck_assert_int_eq(owners_count_heap(o, 0, PID, 2, false, NULL), 0);
    ck_assert_int_eq(owners_process(o, 0, PID + 1, &other, NULL), 0);
    ck_assert_int_eq(owners_count_heap(o, 0, PID + 1, 7, false, NULL), 0);
    ck_assert_int_eq(owners_count_heap(o, 1, PID, 5, false, NULL), 0); /* of another boot */
    ck_assert_int_eq(owners_settle(o, NULL), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert(eh_model_process(model, ids[i])->has_stacks);
        ck_assert_uint_eq(eh_model_process(model, ids[i])->heap_records, (i == 1) * 3 + (i == 2) * 2);
    }
    ck_assert(!eh_model_process(model, other)->has_stacks);
    ck_assert_uint_eq(eh_model_process(model, other)->heap_records, 7);
    uint32_t rebooted;
    owners_restart(o);
    ck_assert_int_eq(owners_process(o, 1, PID, &rebooted, NULL), 0);
    ck_assert(!eh_model_process(model, rebooted)->has_stacks);
    owners_destroy(o);
    model_destroy(model);
}
END_TEST

START_TEST(who_runs_where)
{
    struct eh_model *model = model_create();
    struct owners *o = owners_create(model);
    ck_assert_ptr_nonnull(o);
    uint32_t tid, pid;
    ck_assert(!owners_running(o, 0, 3, &tid));
    ck_assert_int_eq(owners_switch(o, 0, 3, 77, NULL), 0);
    ck_assert(owners_running(o, 0, 3, &tid));
    ck_assert_uint_eq(tid, 77);
    ck_assert(!owners_running(o, 0, 2, &tid));
    ck_assert(!owners_running(o, 1, 3, &tid)); /* of another boot */
    ck_assert_int_eq(owners_switch(o, 0, 3, 0, NULL), 0);
    ck_assert(owners_running(o, 0, 3, &tid));
    ck_assert_uint_eq(tid, 0); /* the idle thread */

    ck_assert(!owners_pid_of(o, 0, 77, &pid));
    struct moment m = {.raw = 1};
    struct thread_record t = {.pid = PID, .tid = 77};
    ck_assert_int_eq(owners_thread_record(o, &m, TYPE_START, &t, NULL), 0);
    ck_assert(owners_pid_of(o, 0, 77, &pid));
    ck_assert_uint_eq(pid, PID);
    owners_restart(o);
    ck_assert(!owners_running(o, 0, 3, &tid));
    ck_assert(owners_pid_of(o, 0, 77, &pid));
    owners_destroy(o);
    model_destroy(model);
}
END_TEST

/* A thread id used again is another thread; the same start twice is not. */
START_TEST(threads_of_a_tid)
{
    struct eh_model *model = model_create();
    struct owners *o = owners_create(model);
    ck_assert_ptr_nonnull(o);
    uint32_t process, threads[4];
    ck_assert_int_eq(owners_process(o, 0, PID, &process, NULL), 0);
    static const int64_t raws[] = {1, 1, 5, 9};
    for (int i = 0; i < 4; i++) {
        struct moment m = {.raw = raws[i]};
        struct thread_record t = {.pid = PID, .tid = 77, .name = {(const uint8_t *)"n", 1, false}};
        ck_assert_int_eq(owners_thread_record(o, &m, TYPE_START, &t, NULL), 0);
        ck_assert_int_eq(owners_thread(o, process, 77, &threads[i], NULL), 0);
        ck_assert_str_eq(eh_model_thread(model, threads[i])->name, "n");
        ck_assert_uint_eq(eh_model_thread(model, threads[i])->process, process);
    }
    ck_assert_uint_eq(threads[0], threads[1]);
    ck_assert_uint_ne(threads[1], threads[2]);
    ck_assert_uint_ne(threads[2], threads[3]);
    owners_restart(o);
    uint32_t again;
    ck_assert_int_eq(owners_thread(o, process, 77, &again, NULL), 0);
    ck_assert_uint_eq(again, threads[0]);
    owners_destroy(o);
    model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("owners");
    TCase *tests = tcase_create("instances");
    tcase_add_loop_test(tests, instances_of_a_pid, 0, SCRIPTS);
    tcase_add_test(tests, instances_of_the_past);
    tcase_add_test(tests, stacks_of_a_pid);
    tcase_add_test(tests, who_runs_where);
    tcase_add_test(tests, threads_of_a_tid);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
