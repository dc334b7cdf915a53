/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The policies of docs/examples do what they say. */

#include <string.h>

#include "base/strutil.h"
#include "policy/label.h"
#include "policy/rules-parse.h"
#include "suite.h"

#define LIBVIRT 119U

static int find_user(const char *name, uint32_t *ret) {
        return -ENOENT;
}

static int find_group(const char *name, uint32_t *ret) {
        if (!string_equal(name, "libvirt"))
                return -ENOENT;
        *ret = LIBVIRT;
        return 0;
}

static void read_example(const char *name, PolicySet *set) {
        static const PolicyNames names = { find_user, find_group };
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_free_ char *told = NULL;
        char path[512], text[16384];
        size_t size;
        FILE *f;

        (void) snprintf(path, sizeof(path), POLICY_EXAMPLES "/%s", name);
        f = fopen(path, "re");
        ck_assert_msg(f, "%s", path);
        size = fread(text, 1, sizeof(text), f);
        (void) fclose(f);
        ck_assert_int_eq(policy_parse(name, text, size, &names, set, &errors), 0);
        if (errors.n_items > 0)
                ck_assert_int_eq(policy_error_format(&errors.items[0], &told), 0);
        ck_assert_msg(!told, "%s", told);
}

typedef struct Case {
        Device device;
        uid_t uid;
        gid_t gid;
        const char *owner;
        Verb verb;
        PolicyVerdict verdict;
} Case;

static PolicyVerdict decide(const PolicySet *set, const Case *c) {
        const LabelTable no_labels = {};
        const PolicyCaller caller = { .uid = c->uid, .gids = &c->gid, .n_gids = 1, .has_gids = true, .owner = c->owner };
        _cleanup_(policy_query_done) PolicyQuery query = {};
        PolicyDevice device;

        policy_device_init(&c->device, NULL, device_label(set, &no_labels, &c->device, NULL).label, &device);
        ck_assert_int_eq(policy_query(set, &caller, c->verb, &query), 0);
        return policy_decide(&query, &device).verdict;
}

static void assert_cases(const PolicySet *set, const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                ck_assert_msg(decide(set, &cases[i]) == cases[i].verdict, "case %zu: not %s", i, policy_verdict_to_string(cases[i].verdict));
}

#define AT(b, s, c) .address = { .bus = b, .slot = s }, .identity.class = c, .identity.vendor = 0x8086

START_TEST(libvirt_host) {
        _cleanup_(policy_set_done) PolicySet set = {};
        const Case cases[] = {
                { { AT(2, 0, 0x020000) }, 1000, LIBVIRT, "vm:web1", VERB_ASSIGN, POLICY_ALLOW },
                { { AT(3, 0, 0x030000) }, 1000, LIBVIRT, "vm:web1", VERB_OPEN, POLICY_ALLOW },
                { { AT(3, 0, 0x040300) }, 1000, LIBVIRT, "vm:web1", VERB_RELEASE, POLICY_ALLOW },
                { { AT(2, 0, 0x020000) }, 1000, LIBVIRT, "dpdk:1", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 0, 0x020000) }, 1000, 1000, "vm:web1", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 0, 0x010802) }, 1000, LIBVIRT, "vm:web1", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 0, 0x020000) }, 1000, LIBVIRT, "vm:web1", VERB_RESERVE, POLICY_DENY },
                { { AT(2, 0, 0x010802) }, 0, 0, "vm:web1", VERB_ASSIGN, POLICY_ALLOW },
        };
        const Device board = { AT(0, 2, 0x030000) }, card = { AT(2, 0, 0x020000) };
        PolicyDevice device;

        read_example("libvirt/50-libvirt.json", &set);
        assert_cases(&set, cases, ELEMENTSOF(cases));
        policy_device_init(&board, NULL, NULL, &device);
        ck_assert_ptr_nonnull(policy_find_protection(&set, &device));
        policy_device_init(&card, NULL, NULL, &device);
        ck_assert_ptr_null(policy_find_protection(&set, &device));
}
END_TEST

START_TEST(dpdk_host) {
        _cleanup_(policy_set_done) PolicySet set = {};
        const Case cases[] = {
                { { AT(2, 1, 0x020000), .is_vf = true }, 970, 970, "dpdk:l3fwd", VERB_ASSIGN, POLICY_ALLOW },
                { { AT(2, 1, 0x020000), .is_vf = true, .numa_node = 1 }, 970, 970, "dpdk:l3fwd", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 1, 0x020000), .is_vf = true }, 971, 970, "dpdk:l3fwd", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 1, 0x010802), .is_vf = true }, 970, 970, "dpdk:l3fwd", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 0, 0x020000), .is_pf = true }, 970, 970, "dpdk:l3fwd", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 0, 0x020000), .is_pf = true }, 0, 0, "vm:a", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 0, 0x020000), .is_pf = true }, 0, 0, "vm:a", VERB_RELEASE, POLICY_ALLOW },
        };

        read_example("dpdk/50-dpdk.json", &set);
        assert_cases(&set, cases, ELEMENTSOF(cases));
}
END_TEST

START_TEST(two_tenant_host) {
        _cleanup_(policy_set_done) PolicySet set = {};
        const Case cases[] = {
                { { AT(2, 0, 0x020000) }, 2001, 2001, "a:web", VERB_ASSIGN, POLICY_ALLOW },
                { { AT(5, 0, 0x010802) }, 2002, 2002, "b:db", VERB_ASSIGN, POLICY_ALLOW },
                { { AT(5, 0, 0x010802) }, 2001, 2001, "a:web", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 0, 0x020000) }, 2001, 2001, "b:web", VERB_ASSIGN, POLICY_DENY },
                { { AT(3, 0, 0x020000) }, 2001, 2001, "a:web", VERB_ASSIGN, POLICY_DENY },
                { { AT(2, 0, 0x020000) }, 0, 0, "vm:a", VERB_ASSIGN, POLICY_DENY },
                { { AT(3, 0, 0x020000) }, 0, 0, "vm:a", VERB_ASSIGN, POLICY_ALLOW },
        };
        const PolicyCaller a = { .uid = 2001, .has_gids = true }, b = { .uid = 2002, .has_gids = true };
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        const char *label;

        read_example("two-tenants/10-labels.json", &set);
        read_example("two-tenants/50-rules.json", &set);
        assert_cases(&set, cases, ELEMENTSOF(cases));
        ck_assert_int_eq(owner_label(&set, &a, NULL, &label, &blockers), 0);
        ck_assert_pstr_eq(label, "tenant-a");
        ck_assert_int_eq(owner_label(&set, &b, "tenant-a", &label, &blockers), 0);
        ck_assert_uint_eq(blockers.n_items, 1);
}
END_TEST

SUITE("policy-examples", libvirt_host, dpdk_host, two_tenant_host)
