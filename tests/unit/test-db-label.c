/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/label.h"

#include "db-scene.h"
#include "suite.h"

static char seen[256];

static int see(const char *address, const char *label, void *userdata) {
        size_t length = strlen(seen);

        (void) snprintf(seen + length, sizeof(seen) - length, "%s=%s ", address, label);
        return userdata ? *(int *) userdata : 0;
}

static const char *labels(void) {
        seen[0] = '\0';
        ck_assert_int_eq(db_label_foreach(scene.db, see, NULL), 0);
        return seen;
}

static void set(const char *address, const char *label) {
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_label_set(scene.db, address, label, 1000, TUESDAY), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
}

START_TEST(labels_are_kept_over_a_restart) {
        scene_open(BOOT_ONE);
        set("0000:03:00.0", "b");
        set("0000:02:00.0", "a");
        scene_close();
        scene_open(BOOT_TWO);
        ck_assert_str_eq(labels(), "0000:02:00.0=a 0000:03:00.0=b ");
        assert_answer("SELECT address, label, at_usec, caller_uid FROM labels ORDER BY address",
                      "0000:02:00.0|a|1794907800000000|1000\n0000:03:00.0|b|1794907800000000|1000\n");
}
END_TEST

START_TEST(label_of_a_device_is_replaced_and_taken_away) {
        scene_open(BOOT_ONE);
        set("0000:02:00.0", "a");
        set("0000:02:00.0", "b");
        ck_assert_str_eq(labels(), "0000:02:00.0=b ");
        set("0000:02:00.0", NULL);
        ck_assert_str_eq(labels(), "");
        set("0000:02:00.0", NULL);
}
END_TEST

START_TEST(empty_label_is_none_that_can_be_stored) {
        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_label_set(scene.db, "0000:02:00.0", "", 0, TUESDAY), -EINVAL);
        db_rollback(scene.db);
        ck_assert_str_eq(labels(), "");
}
END_TEST

START_TEST(handler_ends_the_walk) {
        int stop = -ECANCELED;

        scene_open(BOOT_ONE);
        set("0000:02:00.0", "a");
        set("0000:03:00.0", "b");
        seen[0] = '\0';
        ck_assert_int_eq(db_label_foreach(scene.db, see, &stop), -ECANCELED);
        ck_assert_str_eq(seen, "0000:02:00.0=a ");
}
END_TEST

int main(void) {
        const SceneTest tests[] = {
                { labels_are_kept_over_a_restart }, { label_of_a_device_is_replaced_and_taken_away }, { empty_label_is_none_that_can_be_stored },
                { handler_ends_the_walk },
        };

        return scene_suite_run("db-label", tests, ELEMENTSOF(tests));
}
