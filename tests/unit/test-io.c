/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/io.h"
#include "suite.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

/* A directory of the test's own, removed at the end with all that is in it. */
typedef struct Folder {
        char path[32];
        int fd;
} Folder;

static Folder folder_make(void) {
        Folder folder = { .path = "/tmp/assignd-io-XXXXXX" };

        ck_assert_ptr_nonnull(mkdtemp(folder.path));
        folder.fd = open(folder.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(folder.fd, 0);
        return folder;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void folder_done(Folder *folder) {
        folder->fd = safe_close(folder->fd);
        (void) nftw(folder->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void folder_fill(const Folder *folder, const char *name, const void *bytes, size_t size) {
        _cleanup_close_ int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, bytes, size), (ssize_t) size);
}

static void folder_put(const Folder *folder, const char *name, const char *text) {
        folder_fill(folder, name, text, strlen(text));
}

START_TEST(attribute_loses_one_newline) {
        _cleanup_(folder_done) Folder f = folder_make();
        char buffer[16];

        folder_put(&f, "vendor", "0x8086\n");
        ck_assert_int_eq(attribute_read_at(f.fd, "vendor", buffer, sizeof(buffer)), 6);
        ck_assert_str_eq(buffer, "0x8086");

        folder_put(&f, "two", "x\n\n");
        ck_assert_int_eq(attribute_read_at(f.fd, "two", buffer, sizeof(buffer)), 2);
        ck_assert_str_eq(buffer, "x\n");

        folder_put(&f, "empty", "");
        ck_assert_int_eq(attribute_read_at(f.fd, "empty", buffer, sizeof(buffer)), 0);
        ck_assert_str_eq(buffer, "");
}
END_TEST

START_TEST(attribute_that_does_not_fit_is_not_cut) {
        _cleanup_(folder_done) Folder f = folder_make();
        char buffer[8];

        folder_put(&f, "fits", "1234567");
        ck_assert_int_eq(attribute_read_at(f.fd, "fits", buffer, sizeof(buffer)), 7);
        folder_put(&f, "long", "12345678");
        ck_assert_int_eq(attribute_read_at(f.fd, "long", buffer, sizeof(buffer)), -E2BIG);
}
END_TEST

START_TEST(attribute_with_a_nul_byte_is_refused) {
        _cleanup_(folder_done) Folder f = folder_make();
        _cleanup_free_ char *text = NULL;
        char buffer[16];

        folder_fill(&f, "nul", "a\0b\n", 4);
        ck_assert_int_eq(attribute_read_at(f.fd, "nul", buffer, sizeof(buffer)), -EBADMSG);
        ck_assert_int_eq(attribute_read_alloc_at(f.fd, "nul", &text), -EBADMSG);
        ck_assert_ptr_null(text);
}
END_TEST

START_TEST(missing_attribute_is_enoent) {
        _cleanup_(folder_done) Folder f = folder_make();
        _cleanup_free_ char *text = NULL;
        char buffer[16];

        ck_assert_int_eq(attribute_read_at(f.fd, "none", buffer, sizeof(buffer)), -ENOENT);
        ck_assert_int_eq(attribute_read_alloc_at(f.fd, "none", &text), -ENOENT);
        ck_assert_int_eq(attribute_read_at(f.fd, ".", buffer, sizeof(buffer)), -EISDIR);
}
END_TEST

START_TEST(allocated_attributes_end_at_64_kib) {
        _cleanup_(folder_done) Folder f = folder_make();
        _cleanup_free_ char *bytes = malloc(65537), *text = NULL, *more = NULL;

        ck_assert_ptr_nonnull(bytes);
        memset(bytes, 'x', 65537);
        folder_fill(&f, "most", bytes, 65536);
        folder_fill(&f, "more", bytes, 65537);

        ck_assert_int_eq(attribute_read_alloc_at(f.fd, "most", &text), 0);
        ck_assert_uint_eq(strlen(text), 65536);
        ck_assert_int_eq(attribute_read_alloc_at(f.fd, "more", &more), -E2BIG);
        ck_assert_ptr_null(more);
}
END_TEST

START_TEST(write_replaces_what_the_kernel_would_take) {
        _cleanup_(folder_done) Folder f = folder_make();
        char buffer[16];

        folder_put(&f, "bind", "");
        ck_assert_int_eq(attribute_write_at(f.fd, "bind", "0000:02:00.0"), 0);
        ck_assert_int_eq(attribute_read_at(f.fd, "bind", buffer, sizeof(buffer)), 12);
        ck_assert_str_eq(buffer, "0000:02:00.0");
}
END_TEST

START_TEST(write_creates_nothing_and_follows_no_link) {
        _cleanup_(folder_done) Folder f = folder_make();

        ck_assert_int_eq(attribute_write_at(f.fd, "none", "1"), -ENOENT);
        ck_assert_int_eq(exists_at(f.fd, "none"), 0);

        folder_put(&f, "target", "");
        ck_assert_int_eq(symlinkat("target", f.fd, "link"), 0);
        ck_assert_int_eq(attribute_write_at(f.fd, "link", "1"), -ELOOP);
}
END_TEST

START_TEST(empty_write_is_refused_since_the_kernel_would_ignore_it) {
        _cleanup_(folder_done) Folder f = folder_make();

        folder_put(&f, "driver_override", "");
        ck_assert_int_eq(attribute_write_at(f.fd, "driver_override", ""), -EINVAL);
}
END_TEST

START_TEST(failed_write_gives_its_errno) {
        _cleanup_close_ int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(dev, 0);
        ck_assert_int_eq(attribute_write_at(dev, "full", "x"), -ENOSPC);
}
END_TEST

START_TEST(link_gives_the_last_component) {
        _cleanup_(folder_done) Folder f = folder_make();
        _cleanup_free_ char *driver = NULL, *plain = NULL, *none = NULL;

        ck_assert_int_eq(symlinkat("../../../bus/pci/drivers/e1000e", f.fd, "driver"), 0);
        ck_assert_int_eq(symlinkat("plain", f.fd, "iommu"), 0);
        ck_assert_int_eq(symlinkat("dir/", f.fd, "slash"), 0);
        folder_put(&f, "file", "");

        ck_assert_int_eq(link_basename_at(f.fd, "driver", &driver), 0);
        ck_assert_str_eq(driver, "e1000e");
        ck_assert_int_eq(link_basename_at(f.fd, "iommu", &plain), 0);
        ck_assert_str_eq(plain, "plain");
        ck_assert_int_eq(link_basename_at(f.fd, "missing", &none), -ENOENT);
        ck_assert_int_eq(link_basename_at(f.fd, "file", &none), -EINVAL);
        ck_assert_int_eq(link_basename_at(f.fd, "slash", &none), -EBADMSG);
        ck_assert_ptr_null(none);
}
END_TEST

START_TEST(existence_is_yes_no_or_an_error) {
        _cleanup_(folder_done) Folder f = folder_make();

        folder_put(&f, "file", "");
        ck_assert_int_eq(exists_at(f.fd, "file"), 1);
        ck_assert_int_eq(exists_at(f.fd, "other"), 0);
        ck_assert_int_eq(exists_at(f.fd, "file/below"), -ENOTDIR);
}
END_TEST

START_TEST(exact_read_gathers_pieces_and_notices_the_end) {
        char buffer[6] = {};
        int fds[2];

        ck_assert_int_eq(pipe(fds), 0);
        ck_assert_int_eq(write(fds[1], "abc", 3), 3);
        ck_assert_int_eq(write(fds[1], "defg", 4), 4);
        (void) close(fds[1]);

        ck_assert_int_eq(read_exactly(fds[0], buffer, 5), 0);
        ck_assert_str_eq(buffer, "abcde");
        ck_assert_int_eq(read_exactly(fds[0], buffer, 3), -ENODATA);
        (void) close(fds[0]);
        ck_assert_int_eq(read_exactly(-1, buffer, 1), -EBADF);
}
END_TEST

SUITE("io",
      attribute_loses_one_newline,
      attribute_that_does_not_fit_is_not_cut,
      attribute_with_a_nul_byte_is_refused,
      missing_attribute_is_enoent,
      allocated_attributes_end_at_64_kib,
      write_replaces_what_the_kernel_would_take,
      write_creates_nothing_and_follows_no_link,
      empty_write_is_refused_since_the_kernel_would_ignore_it,
      failed_write_gives_its_errno,
      link_gives_the_last_component,
      existence_is_yes_no_or_an_error,
      exact_read_gathers_pieces_and_notices_the_end)
