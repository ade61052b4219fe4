#include "io/workers.h"

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TASKS 1000

struct step {
    struct task task;
    atomic_uint *clock; /* one for all */
    unsigned begun;     /* when, by that clock */
    unsigned result;    /* plain memory: waiting is what makes it readable */
};

static void run_step(struct task *task)
{
    struct step *s = (struct step *)task;
    s->begun = atomic_fetch_add(s->clock, 1);
    s->result = s->begun * 3 + 1;
}

static struct step *new_steps(atomic_uint *clock)
{
    struct step *steps = calloc(TASKS, sizeof *steps);
    ck_assert_ptr_nonnull(steps);
    for (unsigned i = 0; i < TASKS; i++)
        steps[i] = (struct step){.task.run = run_step, .clock = clock};
    return steps;
}

/* By as many threads as the loop says; none means that giving runs. */
START_TEST(all_run)
{
    atomic_uint clock = 0;
    struct step *steps = new_steps(&clock);
    struct workers *w = workers_create((unsigned)_i);
    ck_assert(!w == !_i);
    for (unsigned i = 0; i < TASKS; i++)
        workers_give(w, &steps[i].task);
    for (unsigned i = TASKS; i-- > 0;) {
        workers_wait(w, &steps[i].task);
        ck_assert_uint_eq(steps[i].result, steps[i].begun * 3 + 1);
        if (_i <= 1)
            ck_assert_uint_eq(steps[i].begun, i);
    }
    ck_assert_uint_eq(clock, TASKS);
    workers_destroy(w);
    free(steps);
}
END_TEST

/* A few tasks in turn, each waited for before it is given again. */
START_TEST(given_again)
{
    enum { RING = 3 };
    atomic_uint clock = 0;
    struct step *steps = new_steps(&clock);
    struct workers *w = workers_create((unsigned)_i);
    for (unsigned i = 0; i < TASKS; i++) {
        struct step *s = &steps[i % RING];
        workers_wait(w, &s->task);
        ck_assert(i < RING ? !s->result : s->result >= (i - RING) / RING);
        workers_give(w, &s->task);
    }
    workers_destroy(w);
    ck_assert_uint_eq(clock, TASKS);
    free(steps);
}
END_TEST

/* What is under way at the end still runs. */
START_TEST(end_waits)
{
    atomic_uint clock = 0;
    struct step *steps = new_steps(&clock);
    struct workers *w = workers_create((unsigned)_i);
    for (unsigned i = 0; i < TASKS; i++)
        workers_give(w, &steps[i].task);
    workers_destroy(w);
    ck_assert_uint_eq(clock, TASKS);
    workers_destroy(NULL);
    free(steps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("workers");
    TCase *tests = tcase_create("workers");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, all_run, 0, 5);
    tcase_add_loop_test(tests, given_again, 0, 5);
    tcase_add_loop_test(tests, end_waits, 0, 5);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
