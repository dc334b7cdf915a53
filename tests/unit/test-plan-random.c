/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What holds of the plans of any machine: properties on random ones. */

#include <string.h>
#include <time.h>

#include "base/strutil.h"
#include "machine.h"
#include "policy/plan.h"
#include "policy/viability.h"
#include "suite.h"

static size_t random_below(unsigned *seed, size_t n) {
        return (size_t) rand_r(seed) % n;
}

static void machine_random(Facts *facts, unsigned *seed) {
        static const char *const drivers[] = { NULL, "e1000e", "nvme", "vfio-pci", "pci-stub" };
        static const char *const overrides[] = { NULL, NULL, "e1000e", "nvme", "vfio-pci", "none" };
        size_t n_groups = 1 + random_below(seed, 3);

        for (size_t g = 0; g < n_groups; g++)
                for (size_t d = 0, n = 1 + random_below(seed, 4); d < n; d++) {
                        char address[PCI_ADDRESS_STRING_MAX];

                        pci_address_format(&(PciAddress){ .bus = (uint8_t) (2 + g), .function = (uint8_t) d }, address);
                        machine_add(facts, address, 0x020000, (uint32_t) g, drivers[random_below(seed, ELEMENTSOF(drivers))],
                                    overrides[random_below(seed, ELEMENTSOF(overrides))]);
                }
        machine_link(facts);
}

static RecordList record_all(const Facts *facts) {
        char *targets[] = { (char *) "group:0", (char *) "group:1", (char *) "group:2", NULL };

        targets[facts->n_groups] = NULL;
        return machine_record(facts, targets);
}

static void assert_applies(Facts *facts, const Step *step, Held *held, unsigned seed) {
        int r = machine_apply(facts, step, held);

        ck_assert_msg(r == 0, "seed %u: %s %s %s failed: %s", seed, step_kind_to_string(step->kind), PCI_ADDRESS_FORMAT(&step->address),
                      step->value ? step->value : "-", strerror(-r));
}

/* Carries out `plan` up to a random place: all phases before it, and any of the steps of its phase, since they go side by side. */
static void apply_part(Facts *facts, const Plan *plan, Held *held, unsigned *seed, unsigned shown_seed) {
        size_t stop = random_below(seed, plan->n_steps + 1);

        for (size_t i = 0; i < plan->n_steps; i++) {
                bool before = stop == plan->n_steps || plan->steps[i].phase < plan->steps[stop].phase;
                bool within = !before && plan->steps[i].phase == plan->steps[stop].phase;

                if (before || (within && random_below(seed, 2) == 0))
                        assert_applies(facts, &plan->steps[i], held, shown_seed);
        }
}

static void apply_all(Facts *facts, const Plan *plan, Held *held, unsigned seed) {
        for (size_t i = 0; i < plan->n_steps; i++)
                assert_applies(facts, &plan->steps[i], held, seed);
}

static void assert_restored(const RecordList *records, const Facts *facts, unsigned seed) {
        _cleanup_strv_free_ char **differences = NULL;

        ck_assert_int_eq(record_list_compare(records, facts, &differences), 0);
        ck_assert_msg(!differences, "seed %u: %s", seed, differences ? differences[0] : "");
}

static void hold_all(const RecordList *records, Held *held) {
        held->n_items = 0;
        for (size_t i = 0; i < records->n_items; i++)
                held->items[held->n_items++] = records->items[i].address;
}

static unsigned seed_of_run(void) {
        const char *s = getenv("TEST_SEED");
        uint32_t seed = (uint32_t) time(NULL);

        if (s)
                ck_assert_int_eq(parse_u32(s, 10, &seed), 0);
        printf("TEST_SEED=%u\n", seed);
        (void) fflush(stdout);
        return seed;
}

#define N_MACHINES 3000U

START_TEST(after_assign_every_endpoint_is_on_vfio_and_overridden) {
        unsigned first = seed_of_run();

        for (unsigned shown = first; shown != first + N_MACHINES; shown++) {
                _cleanup_(facts_done) Facts facts = {};
                _cleanup_(record_list_done) RecordList records = {};
                _cleanup_(plan_done) Plan plan = {};
                unsigned seed = shown;

                machine_random(&facts, &seed);
                records = record_all(&facts);
                ck_assert_uint_eq(records.n_items, facts.n_devices);
                ck_assert_int_eq(plan_assign(&records, NULL, &plan), 0);
                apply_all(&facts, &plan, NULL, shown);

                for (size_t i = 0; i < facts.n_devices; i++) {
                        ck_assert_str_eq(facts.devices[i]->driver, "vfio-pci");
                        ck_assert_str_eq(facts.devices[i]->driver_override, "vfio-pci");
                }
        }
}
END_TEST

START_TEST(every_override_precedes_the_first_unbind) {
        unsigned first = seed_of_run();

        for (unsigned shown = first; shown != first + N_MACHINES; shown++) {
                _cleanup_(facts_done) Facts facts = {};
                _cleanup_(record_list_done) RecordList records = {};
                _cleanup_(plan_done) Plan plan = {};
                unsigned seed = shown;
                size_t n_overrides = 0;

                machine_random(&facts, &seed);
                records = record_all(&facts);
                ck_assert_int_eq(plan_assign(&records, "vfio-pci", &plan), 0);

                for (size_t i = 0; i < plan.n_steps; i++) {
                        if (i > 0) {
                                ck_assert_uint_ge(plan.steps[i].phase, plan.steps[i - 1].phase);
                                ck_assert_uint_le(plan.steps[i].phase, plan.steps[i - 1].phase + 1);
                                if (plan.steps[i].kind != plan.steps[i - 1].kind)
                                        ck_assert_uint_eq(plan.steps[i].phase, plan.steps[i - 1].phase + 1);
                        }
                        if (plan.steps[i].kind == STEP_SET_OVERRIDE)
                                n_overrides++;
                        else if (plan.steps[i].kind != STEP_LOAD_MODULE)
                                ck_assert_msg(n_overrides == records.n_items, "seed %u: step %zu comes before an override", shown, i);
                }
        }
}
END_TEST

START_TEST(give_back_from_any_part_of_an_assign_restores_exactly) {
        unsigned first = seed_of_run();

        for (unsigned shown = first; shown != first + N_MACHINES; shown++) {
                _cleanup_(facts_done) Facts facts = {};
                _cleanup_(record_list_done) RecordList records = {};
                _cleanup_(plan_done) Plan assign = {}, back = {}, rest = {};
                unsigned seed = shown;

                machine_random(&facts, &seed);
                records = record_all(&facts);
                ck_assert_int_eq(plan_assign(&records, NULL, &assign), 0);
                apply_part(&facts, &assign, NULL, &seed, shown);

                ck_assert_int_eq(plan_give_back(&records, &facts, &back), 0);
                apply_all(&facts, &back, NULL, shown);
                assert_restored(&records, &facts, shown);
                ck_assert_int_eq(plan_give_back(&records, &facts, &rest), 0);
                ck_assert_uint_eq(rest.n_steps, 0);
        }
}
END_TEST

START_TEST(release_interrupted_again_and_again_still_restores_exactly) {
        unsigned first = seed_of_run();

        for (unsigned shown = first; shown != first + N_MACHINES; shown++) {
                _cleanup_(facts_done) Facts facts = {};
                _cleanup_(record_list_done) RecordList records = {};
                _cleanup_(plan_done) Plan assign = {}, rest = {};
                unsigned seed = shown;
                Held held;

                machine_random(&facts, &seed);
                records = record_all(&facts);
                ck_assert_int_eq(plan_assign(&records, NULL, &assign), 0);
                apply_all(&facts, &assign, NULL, shown);
                hold_all(&records, &held);

                for (size_t i = 0; i < 4; i++) {
                        _cleanup_(plan_done) Plan back = {};

                        ck_assert_int_eq(plan_give_back(&records, &facts, &back), 0);
                        apply_part(&facts, &back, &held, &seed, shown);
                }
                ck_assert_int_eq(plan_give_back(&records, &facts, &rest), 0);
                apply_all(&facts, &rest, &held, shown);
                assert_restored(&records, &facts, shown);
        }
}
END_TEST

START_TEST(give_back_binds_no_host_driver_before_the_last_unbind) {
        unsigned first = seed_of_run();

        for (unsigned shown = first; shown != first + N_MACHINES; shown++) {
                _cleanup_(facts_done) Facts facts = {};
                _cleanup_(record_list_done) RecordList records = {};
                _cleanup_(plan_done) Plan assign = {}, back = {};
                unsigned seed = shown, bound_in = UINT32_MAX;

                machine_random(&facts, &seed);
                records = record_all(&facts);
                ck_assert_int_eq(plan_assign(&records, NULL, &assign), 0);
                apply_part(&facts, &assign, NULL, &seed, shown);
                ck_assert_int_eq(plan_give_back(&records, &facts, &back), 0);

                for (size_t i = 0; i < back.n_steps; i++) {
                        if (back.steps[i].kind == STEP_BIND && bound_in == UINT32_MAX)
                                bound_in = back.steps[i].phase;
                        if (back.steps[i].kind == STEP_UNBIND)
                                ck_assert_msg(back.steps[i].phase < bound_in && driver_is_vfio(back.steps[i].value),
                                              "seed %u: unbind in step %zu", shown, i);
                }
        }
}
END_TEST

SUITE("plan-random",
      after_assign_every_endpoint_is_on_vfio_and_overridden,
      every_override_precedes_the_first_unbind,
      give_back_from_any_part_of_an_assign_restores_exactly,
      release_interrupted_again_and_again_still_restores_exactly,
      give_back_binds_no_host_driver_before_the_last_unbind)
