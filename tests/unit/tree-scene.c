/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree-scene.h"

#include <check.h>
#include <sys/stat.h>

TreeGen *empty_tree(void) {
        TreeGen *tree = NULL;

        ck_assert_int_eq(treegen_new(&tree), 0);
        return tree;
}

TreeGen *lab_tree(void) {
        TreeGen *tree = empty_tree();

        ck_assert_int_eq(treegen_make_lab(tree->fd), 0);
        return tree;
}

Facts read_tree(const TreeGen *tree) {
        Facts facts = {};

        ck_assert_int_eq(tree_read(tree->fd, NULL, NULL, NULL, &facts), 0);
        return facts;
}

PciAddress address_of(const char *text) {
        PciAddress address;

        ck_assert_int_eq(pci_address_parse(text, &address), 0);
        return address;
}

const Device *device_of(const Facts *facts, const char *text) {
        const PciAddress address = address_of(text);

        return facts_find_device(facts, &address);
}

Device *read_device(const TreeGen *tree, const char *text) {
        const PciAddress address = address_of(text);
        Device *device = NULL;

        ck_assert_int_eq(tree_read_device(tree->fd, &address, NULL, false, &device), 0);
        return device;
}

Group *read_group(const TreeGen *tree, uint32_t number) {
        Group *group = NULL;

        ck_assert_int_eq(tree_read_group(tree->fd, number, &group), 0);
        return group;
}

TreeGen *tree_of_one(void) {
        const TreeDevice device = {
                ONE, NULL, 0x8086, 0x10d3, 0x8086, 0xa01f, 0x020000, 3, 7, "e1000e", .reset_methods = "flr bus", .numa_node = 1,
        };
        TreeGen *tree = empty_tree();

        ck_assert_int_eq(treegen_add_device(tree->fd, &device), 0);
        return tree;
}

void put_link(const TreeGen *tree, const char *attribute, const char *target) {
        _cleanup_close_ int fd = treegen_open_device(tree->fd, ONE);

        ck_assert_int_ge(fd, 0);
        (void) treegen_remove_path(fd, attribute);
        ck_assert_int_eq(symlinkat(target, fd, attribute), 0);
}

void put_directory(const TreeGen *tree, const char *attribute) {
        _cleanup_close_ int fd = treegen_open_device(tree->fd, ONE);

        ck_assert_int_ge(fd, 0);
        (void) treegen_remove_path(fd, attribute);
        ck_assert_int_eq(mkdirat(fd, attribute, 0755), 0);
}

void take_away(const TreeGen *tree, const char *attribute) {
        _cleanup_close_ int fd = treegen_open_device(tree->fd, ONE);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(treegen_remove_path(fd, attribute), 0);
}
