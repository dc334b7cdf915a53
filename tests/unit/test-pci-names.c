/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/pci-names.h"

#include <fcntl.h>
#include <string.h>

#include "base/strutil.h"
#include "suite.h"

/* A database file, and the names read from it. */
typedef struct Database {
        char path[sizeof("/tmp/test-pci-names-XXXXXX")];
        PciNames *names;
} Database;

static Database database_of(const void *bytes, size_t size) {
        Database database = {.path = "/tmp/test-pci-names-XXXXXX"};
        _cleanup_close_ int fd = mkostemp(database.path, O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, bytes, size), (ssize_t) size);
        ck_assert_int_eq(pci_names_new(database.path, &database.names), 0);
        return database;
}

static Database database_of_text(const char *text) {
        return database_of(text, strlen(text));
}

static void database_done(Database *database) {
        pci_names_free(database->names);
        (void) unlink(database->path);
}

#define _cleanup_database_ _cleanup_(database_done)

static const char *look_up(PciNames *names, uint16_t vendor, uint16_t device) {
        const PciIdentity identity = {.vendor = vendor, .device = device};
        const char *name = "untouched";

        ck_assert_int_eq(pci_names_lookup(names, &identity, &name), 0);
        return name;
}

START_TEST(vendor_and_device_make_a_name) {
        _cleanup_database_ Database database = database_of_text("8086  Intel Corporation\n\t10d3  82574L Gigabit Network Connection\n"
                                                              "\t\t8086 0000  Subsystem Name\n1234  Technical Corp.\n");

        ck_assert_str_eq(look_up(database.names, 0x8086, 0x10d3), "Intel Corporation 82574L Gigabit Network Connection");
        ck_assert_str_eq(look_up(database.names, 0x8086, 0xffff), "Intel Corporation");
        ck_assert_str_eq(look_up(database.names, 0x1234, 0x10d3), "Technical Corp.");
        ck_assert_ptr_null(look_up(database.names, 0x4321, 0x10d3));
        ck_assert_ptr_null(look_up(database.names, 0xffff, 0xffff));
}
END_TEST

START_TEST(equal_identities_share_one_text) {
        _cleanup_database_ Database database = database_of_text("8086  Intel Corporation\n");
        const char *first = look_up(database.names, 0x8086, 0x10d3);

        for (unsigned i = 0; i < 1000; i++)
                (void) look_up(database.names, 0x8086, (uint16_t) i);
        ck_assert_ptr_eq(look_up(database.names, 0x8086, 0x10d3), first);
        ck_assert_str_eq(first, "Intel Corporation");
}
END_TEST

START_TEST(a_database_that_is_missing_knows_nothing) {
        _cleanup_(pci_names_freep) PciNames *names = NULL;

        ck_assert_int_eq(pci_names_new("/nonexistent/pci.ids", &names), 0);
        ck_assert_ptr_null(look_up(names, 0x8086, 0x10d3));
        ck_assert_ptr_null(look_up(names, 0x8086, 0x10d4));
}
END_TEST

START_TEST(a_directory_in_its_place_knows_nothing) {
        _cleanup_(pci_names_freep) PciNames *names = NULL;

        ck_assert_int_eq(pci_names_new("/", &names), 0);
        ck_assert_ptr_null(look_up(names, 0x8086, 0x10d3));
}
END_TEST

START_TEST(an_empty_database_knows_nothing) {
        _cleanup_database_ Database database = database_of_text("");

        ck_assert_ptr_null(look_up(database.names, 0x8086, 0x10d3));
}
END_TEST

/* Each of these makes libpci call its error function, which by default ends the process. */
START_TEST(garbage_ends_the_database_and_not_the_process) {
        static const char *const ends[] = {
                "garbage\n", "\t\t\t\tdeep\n", "8086  Intel again\n", "zzzz  No digits\n", "9999\n", "\t12\n", "S ffff\n", "C 1\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                char text[256];

                (void) snprintf(text, sizeof(text), "8086  Intel Corporation\n\t10d3  82574L\n%s7777  Never Reached\n", ends[i]);
                _cleanup_database_ Database database = database_of_text(text);

                ck_assert_str_eq(look_up(database.names, 0x8086, 0x10d3), "Intel Corporation 82574L");
                ck_assert_ptr_null(look_up(database.names, 0x7777, 0x0001));
        }
}
END_TEST

START_TEST(garbage_from_the_start_knows_nothing) {
        _cleanup_database_ Database database = database_of_text("garbage\n8086  Intel Corporation\n");

        ck_assert_ptr_null(look_up(database.names, 0x8086, 0x10d3));
        ck_assert_ptr_null(look_up(database.names, 0x8086, 0x10d4));
}
END_TEST

START_TEST(a_line_without_end_is_survived) {
        _cleanup_free_ char *text = malloc(1024 * 1024);

        ck_assert_ptr_nonnull(text);
        memset(text, 'x', 1024 * 1024);
        memcpy(text, "8086  Intel\n1234  ", 18);
        _cleanup_database_ Database database = database_of(text, 1024 * 1024);

        ck_assert_str_eq(look_up(database.names, 0x8086, 0x10d3), "Intel");
        ck_assert_ptr_null(look_up(database.names, 0x1234, 0x10d3));
}
END_TEST

START_TEST(long_names_are_cut) {
        char text[1000] = "8086  ";
        const char *name;

        memset(text + 6, 'n', 900);
        text[906] = '\n';
        _cleanup_database_ Database database = database_of_text(text);

        name = look_up(database.names, 0x8086, 0x10d3);
        ck_assert_ptr_nonnull(name);
        ck_assert_uint_le(strlen(name), 255);
}
END_TEST

START_TEST(unprintable_bytes_are_escaped) {
        _cleanup_database_ Database database = database_of_text("8086  Evil\x1b[31m\x07 \xff\xfe\n\t10d3  Caf\xc3\xa9\n");
        const char *name = look_up(database.names, 0x8086, 0x10d3);

        ck_assert(string_is_printable(name, 255));
        ck_assert_str_eq(name, "Evil\\x1b[31m\\x07 \\xff\\xfe Caf\xc3\xa9");
}
END_TEST

START_TEST(random_bytes_are_survived) {
        static const char alphabet[] = "0123456789abcdefC S\t\t\n\n \xff";
        unsigned seed = (unsigned) getpid();
        uint8_t bytes[4096];

        printf("seed %u\n", seed);
        srandom(seed);
        for (unsigned round = 0; round < 50; round++) {
                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = round % 2 ? (uint8_t) random() : (uint8_t) alphabet[(size_t) random() % (sizeof(alphabet) - 1)];
                _cleanup_database_ Database database = database_of(bytes, sizeof(bytes));

                for (unsigned i = 0; i < 20; i++)
                        (void) look_up(database.names, (uint16_t) random(), (uint16_t) random());
        }
}
END_TEST

SUITE("pci-names",
      vendor_and_device_make_a_name,
      equal_identities_share_one_text,
      a_database_that_is_missing_knows_nothing,
      a_directory_in_its_place_knows_nothing,
      an_empty_database_knows_nothing,
      garbage_ends_the_database_and_not_the_process,
      garbage_from_the_start_knows_nothing,
      a_line_without_end_is_survived,
      long_names_are_cut,
      unprintable_bytes_are_escaped,
      random_bytes_are_survived)
