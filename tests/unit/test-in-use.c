/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/in-use.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/strutil.h"
#include "suite.h"
#include "tree-scene.h"

#define DISK "devices/pci0000:00/0000:00:01.0/" ONE "/nvme/nvme0/nvme0n1"
#define NIC "devices/pci0000:00/0000:00:01.0/" ONE
#define NET NIC "/net/eth0"

/* A host: the tree with ONE, and what the lines say. "PATH=TEXT" is a file, "PATH>TARGET" a link, "PATH/" a directory. /proc is
 * below "proc", udev's database below "udev". */
typedef struct Host {
        TreeGen *tree;
        int proc_fd, udev_fd;
} Host;

static void make_parents(int fd, const char *path) {
        char part[512];

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                ck_assert_uint_lt((size_t) (slash - path), sizeof(part));
                memcpy(part, path, (size_t) (slash - path));
                part[slash - path] = '\0';
                ck_assert(mkdirat(fd, part, 0755) == 0 || errno == EEXIST);
        }
}

static void make_file(int fd, const char *path, const char *text) {
        _cleanup_close_ int file = openat(fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(file, 0);
        ck_assert_int_eq(write(file, text, strlen(text)), (ssize_t) strlen(text));
}

static void add(Host *host, const char *line) {
        char path[512];
        size_t n = strcspn(line, "=>");

        ck_assert_uint_lt(n, sizeof(path));
        memcpy(path, line, n);
        path[n] = '\0';
        make_parents(host->tree->fd, path);
        if (line[n] == '>')
                ck_assert_int_eq(symlinkat(line + n + 1, host->tree->fd, path), 0);
        else if (line[n] == '=')
                make_file(host->tree->fd, path, line + n + 1);
}

#define HOST(...) host_of((const char *[]){ __VA_ARGS__, NULL })
#define _cleanup_host_ _cleanup_(host_done)

static void host_done(Host *host) {
        safe_close(host->proc_fd);
        safe_close(host->udev_fd);
        treegen_free(host->tree);
}

static Host host_of(const char *const *lines) {
        Host host = { .tree = empty_tree() };
        const TreeDevice bridge = { .address = "0000:00:01.0", .class = 0x060400, .secondary_bus = 1, .group = 6 };
        const TreeDevice one = { .address = ONE, .parent = "0000:00:01.0", .class = 0x010802, .group = 7, .driver = "nvme" };
        const TreeDevice two = { .address = "0000:01:00.1", .parent = "0000:00:01.0", .class = 0x020000, .group = 8 };

        ck_assert_int_eq(treegen_add_device(host.tree->fd, &bridge), 0);
        ck_assert_int_eq(treegen_add_device(host.tree->fd, &one), 0);
        ck_assert_int_eq(treegen_add_device(host.tree->fd, &two), 0);
        add(&host, "proc/1/mountinfo=21 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n");
        add(&host, "udev/x=");
        for (size_t i = 0; lines[i]; i++)
                add(&host, lines[i]);
        host.proc_fd = openat(host.tree->fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        host.udev_fd = openat(host.tree->fd, "udev", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return host;
}

static const char *const kinds[_USE_KIND_MAX] = {
        [USE_MOUNT] = "mount", [USE_SWAP] = "swap", [USE_BLOCK_HOLDER] = "holder", [USE_ADDRESS] = "address", [USE_ROUTE] = "route",
        [USE_DEFAULT_ROUTE] = "default-route", [USE_PORT] = "port", [USE_UPPER] = "upper", [USE_OTHER_NAMESPACE] = "other-namespace",
        [USE_FRAMEBUFFER] = "framebuffer", [USE_BOOT_DISPLAY] = "boot-display", [USE_SERIAL_CONSOLE] = "serial-console", [USE_CHILD] = "child",
};

/* "mount nvme0n1p1 /srv" a line. */
static char *text_of(const UseList *list) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        for (size_t i = 0; i < list->n_items; i++) {
                const Use *use = &list->items[i];

                ck_assert_str_eq(PCI_ADDRESS_FORMAT(&use->device), ONE);
                fprintf(f, "%s %s %s", kinds[use->kind], use->node ?: "-", use->what ?: "-");
                if (use->error < 0)
                        fprintf(f, " %s", strerrorname_np(-use->error));
                if (use->n_more > 0)
                        fprintf(f, " +%zu", use->n_more);
                fputc('\n', f);
        }
        ck_assert_int_eq(fclose(f), 0);
        return text;
}

static char *uses_of(const Host *host, const char *address) {
        const InUseRoots roots = { host->tree->fd, host->proc_fd, host->udev_fd };
        const PciAddress device = address_of(address);
        _cleanup_(use_list_done) UseList list = {};

        ck_assert_int_eq(in_use_read(&roots, &device, 1, &list), 0);
        return text_of(&list);
}

static void assert_uses(const Host *host, const char *expected) {
        _cleanup_free_ char *text = uses_of(host, ONE);

        ck_assert_str_eq(text, expected);
}

/* A block device NAME of ONE with a number, in class/block too. */
#define BLOCK(path, name, number) path "/dev=" number "\n", path "/subsystem>../../class/block", "class/block/" name ">../../" path
#define VIRTUAL(name, number) BLOCK("devices/virtual/block/" name, name, number)
#define PLAIN_DISK BLOCK(DISK, "nvme0n1", "259:0"), BLOCK(DISK "/nvme0n1p1", "nvme0n1p1", "259:1"), DISK "/nvme0n1p1/partition=1\n"
#define MOUNTED(number, point, type, source, options) "proc/1/mountinfo=30 21 " number " / " point " rw,relatime shared:2 - " type " " source " " options "\n"

START_TEST(an_idle_device_is_not_in_use) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK, "proc/swaps=Filename Type Size Used Priority\n", NET "/subsystem>../../class/net");

        assert_uses(&host, "");
}
END_TEST

START_TEST(a_device_that_is_gone_is_not_in_use) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK);
        _cleanup_free_ char *text = uses_of(&host, "0000:0f:00.0");

        ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_mounted_partition_is_told_by_its_number_and_every_mount_point) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK, "proc/1/mountinfo="
                                        "30 21 259:1 / /srv rw - ext4 /dev/root rw\n"
                                        "31 21 259:1 /a /with\\040blank rw shared:3 master:1 - ext4 /dev/root rw\n"
                                        "32 21 259:11 / /other rw - ext4 /dev/nvme0n1p11 rw\n");

        assert_uses(&host, "mount nvme0n1p1 /srv\nmount nvme0n1p1 /with blank\n");
}
END_TEST

START_TEST(many_mounts_are_counted) {
        char mounts[4096] = "proc/1/mountinfo=";
        _cleanup_free_ char *text = NULL;
        Host host;

        for (unsigned i = 0; i < 20; i++)
                (void) sprintf(mounts + strlen(mounts), "%u 21 259:1 / /m%u rw - ext4 /dev/x rw\n", i, i);
        host = HOST(PLAIN_DISK, mounts);
        text = uses_of(&host, ONE);
        ck_assert(strstr(text, "mount nvme0n1p1 /m7 +12\n"));
        ck_assert(!strstr(text, "/m8"));
        host_done(&host);
}
END_TEST

/* Each is a file system that gives no number of a block device, and how it tells. */
START_TEST(a_file_system_without_a_number_is_told_by_its_source_or_options) {
        static const struct {
                const char *mount, *expected;
        } cases[] = {
                { MOUNTED("0:45", "/data", "btrfs", "/dev/nvme0n1p1", "rw,subvolid=5"), "mount nvme0n1p1 /data\n" },
                { MOUNTED("0:46", "/pool", "bcachefs", "/dev/sdz:/dev/nvme0n1p1", "rw"), "mount nvme0n1p1 /pool\n" },
                { MOUNTED("8:9", "/x", "xfs", "/dev/sda9", "rw,attr2,logdev=/dev/nvme0n1p1,noquota"), "mount nvme0n1p1 /x\n" },
                { MOUNTED("0:47", "/y", "btrfs", "/dev/nvme0n1p11", "rw"), "" },
                { MOUNTED("0:48", "/z", "tmpfs", "nvme0n1p1", "rw"), "" },
                { "proc/1/mountinfo=garbage\n\n - \n1 2 3 4 5 6 7\n", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_host_ Host host = HOST(PLAIN_DISK, cases[i].mount);

                assert_uses(&host, cases[i].expected);
        }
}
END_TEST

START_TEST(a_mount_is_found_through_a_volume_on_an_encrypted_array) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK,
                VIRTUAL("md127", "9:127"), DISK "/nvme0n1p1/holders/md127>../../md127",
                VIRTUAL("dm-0", "253:0"), "devices/virtual/block/dm-0/dm/name=secret\n", "devices/virtual/block/md127/holders/dm-0>../../dm-0",
                VIRTUAL("dm-1", "253:1"), "devices/virtual/block/dm-1/dm/name=vg-root\n", "devices/virtual/block/dm-0/holders/dm-1>../../dm-1",
                MOUNTED("253:1", "/", "ext4", "/dev/mapper/vg-root", "rw"), "proc/swaps=Filename\n/dev/dm-0 partition 1 0 -2\n");

        assert_uses(&host, "holder nvme0n1p1 md127\nholder md127 secret (dm-0)\nholder dm-0 vg-root (dm-1)\nmount dm-1 /\nswap dm-0 -\n");
}
END_TEST

START_TEST(a_partition_of_an_array_counts) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK, VIRTUAL("md0", "9:0"), DISK "/holders/md0>../../md0",
                BLOCK("devices/virtual/block/md0/md0p1", "md0p1", "259:9"), "devices/virtual/block/md0/md0p1/partition=1\n",
                MOUNTED("259:9", "/boot", "vfat", "/dev/md0p1", "rw"));

        assert_uses(&host, "holder nvme0n1 md0\nmount md0p1 /boot\n");
}
END_TEST

START_TEST(swap_is_told_by_the_name_of_its_partition) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK, "proc/swaps=Filename\tType\tSize\tUsed\tPriority\n"
                                        "/dev/nvme0n1p1                          partition\t1048572\t\t0\t\t-2\n/swapfile file 1 0 -3\n");

        assert_uses(&host, "swap nvme0n1p1 -\n");
}
END_TEST

START_TEST(a_disk_of_a_multipath_controller_is_used_through_its_head) {
        _cleanup_host_ Host host = HOST(NIC "/nvme/nvme0/nvme0c0n1/subsystem>../../class/block", "class/block/nvme0c0n1>../../" NIC "/nvme/nvme0/nvme0c0n1",
                VIRTUAL("nvme0n1", "259:0"), MOUNTED("259:0", "/srv", "xfs", "/dev/nvme0n1", "rw"));

        assert_uses(&host, "mount nvme0n1 /srv\n");
}
END_TEST

START_TEST(a_registered_bcache_device_is_in_use) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK, DISK "/bcache/running=1\n", VIRTUAL("bcache0", "252:0"), DISK "/holders/bcache0>../../bcache0",
                MOUNTED("252:0", "/fast", "xfs", "/dev/bcache0", "rw"));

        assert_uses(&host, "holder nvme0n1 bcache0\nholder nvme0n1 bcache\nmount bcache0 /fast\n");
}
END_TEST

START_TEST(a_loop_device_on_a_disk_is_found_by_its_backing_file) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK, VIRTUAL("loop0", "7:0"), "devices/virtual/block/loop0/loop/backing_file=/var/lib/image\n",
                VIRTUAL("loop1", "7:1"), "devices/virtual/block/loop1/loop/backing_file=/dev/nvme0n1p1\n",
                VIRTUAL("loop2", "7:2"), "devices/virtual/block/loop2/loop/backing_file=/dev/loop1\n",
                MOUNTED("7:2", "/mnt", "ext4", "/dev/loop2", "rw"));

        assert_uses(&host, "holder nvme0n1p1 loop1\nholder loop1 loop2\nmount loop2 /mnt\n");
}
END_TEST

START_TEST(every_member_of_a_mounted_btrfs_is_in_use) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK, "fs/btrfs/features/x=0\n", "fs/btrfs/11-22/devices/sdb>../../../../x",
                "fs/btrfs/11-22/devices/nvme0n1p1>../../../../y", MOUNTED("0:45", "/data", "btrfs", "/dev/sdb", "rw"));

        assert_uses(&host, "holder nvme0n1p1 the mounted btrfs 11-22\n");
}
END_TEST

START_TEST(a_member_of_an_imported_zfs_pool_is_in_use_and_one_of_another_pool_is_not) {
        static const char member[] = "udev/b259:1=S:disk/by-id/x\nE:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\n";
        _cleanup_host_ Host imported = HOST(PLAIN_DISK, member, "proc/spl/kstat/zfs/tank/state=ONLINE\n");
        _cleanup_host_ Host other = HOST(PLAIN_DISK, member, "proc/spl/kstat/zfs/pond/state=ONLINE\n");
        _cleanup_host_ Host hostile = HOST(PLAIN_DISK, "udev/b259:1=E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=../../1\n");

        assert_uses(&imported, "holder nvme0n1p1 the ZFS pool tank\n");
        assert_uses(&other, "");
        assert_uses(&hostile, "");
}
END_TEST

START_TEST(a_disk_behind_a_controller_of_another_bus_is_found) {
        _cleanup_host_ Host host = HOST(BLOCK(NIC "/usb1/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb", "sdb", "8:16"),
                MOUNTED("8:16", "/media/stick", "vfat", "/dev/sdb", "rw"));

        assert_uses(&host, "mount sdb /media/stick\n");
}
END_TEST

START_TEST(mounts_that_cannot_be_read_count_as_in_use) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK);

        ck_assert_int_eq(unlinkat(host.proc_fd, "1/mountinfo", 0), 0);
        assert_uses(&host, "mount - - ENOENT\n");
}
END_TEST

#define ROUTES "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define ETH0 NET "/subsystem>../../class/net", "class/net/eth0>../../" NET

START_TEST(an_interface_with_routes_and_addresses_is_in_use) {
        _cleanup_host_ Host host = HOST(ETH0, "proc/net/route=" ROUTES
                "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
                "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
                "eth1\t0003A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
                "proc/net/if_inet6=fe80000000000000021122fffe334455 02 40 20 80     eth0\n"
                "20010db8000000000000000000000001 02 40 00 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\n",
                "proc/net/ipv6_route=20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
                "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n");

        assert_uses(&host, "default-route eth0 -\nroute eth0 192.168.2.0/24\naddress eth0 2001:db8::1\n");
}
END_TEST

START_TEST(a_link_local_address_alone_does_not_count) {
        _cleanup_host_ Host host = HOST(ETH0, "proc/net/if_inet6=fe80000000000000021122fffe334455 02 40 20 80     eth0\n");

        assert_uses(&host, "");
}
END_TEST

START_TEST(a_default_route_of_ipv6_counts) {
        _cleanup_host_ Host host = HOST(ETH0, "proc/net/ipv6_route="
                "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
                "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n");

        assert_uses(&host, "default-route eth0 -\n");
}
END_TEST

START_TEST(what_is_on_a_bond_and_its_bridge_is_on_their_port) {
        _cleanup_host_ Host host = HOST(ETH0, NET "/master>../bond0", NET "/upper_bond0>../bond0",
                "class/net/bond0/master>../br0", "class/net/bond0/upper_br0>../br0", "class/net/bond0/upper_bond0.7>../bond0.7",
                "class/net/br0/address=x\n", "class/net/bond0.7/address=x\n",
                "proc/net/route=" ROUTES "br0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");

        assert_uses(&host, "port eth0 bond0\nport bond0 br0\nupper bond0 bond0.7\ndefault-route br0 -\n");
}
END_TEST

START_TEST(an_interface_of_another_namespace_is_noticed_by_its_absence) {
        _cleanup_host_ Host host = HOST(NIC "/net/");

        assert_uses(&host, "other-namespace - -\n");
}
END_TEST

START_TEST(routes_that_are_too_many_to_be_searched_count_as_in_use) {
        _cleanup_host_ Host host = HOST(ETH0);
        _cleanup_close_ int fd = -EBADF;

        add(&host, "proc/net/route=" ROUTES);
        fd = openat(host.proc_fd, "net/route", O_WRONLY | O_APPEND | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        for (unsigned i = 0; i < 70000; i++)
                ck_assert_int_gt(dprintf(fd, "eth9\t%08X\t0102A8C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0%20s\n", i, ""), 0);
        assert_uses(&host, "address - - EFBIG\n");
}
END_TEST

START_TEST(the_console_is_found_on_a_display_and_on_a_serial_line) {
        _cleanup_host_ Host first = HOST(NIC "/graphics/fb0/subsystem>../../class/graphics");
        _cleanup_host_ Host second = HOST(NIC "/graphics/fb1/subsystem>../../class/graphics");
        _cleanup_host_ Host boot = HOST(NIC "/boot_vga=1\n");
        _cleanup_host_ Host not_boot = HOST(NIC "/boot_vga=0\n");
        _cleanup_host_ Host serial = HOST(NIC "/tty/ttyS4/subsystem>../../class/tty", "proc/cmdline=quiet console=tty0 console=ttyS4,115200\n");
        _cleanup_host_ Host other = HOST(NIC "/tty/ttyS4/subsystem>../../class/tty", "proc/cmdline=noconsole=ttyS4 console=ttyS40\n");

        assert_uses(&first, "framebuffer fb0 -\n");
        assert_uses(&second, "");
        assert_uses(&boot, "boot-display - -\n");
        assert_uses(&not_boot, "");
        assert_uses(&serial, "serial-console ttyS4 -\n");
        assert_uses(&other, "");
}
END_TEST

START_TEST(a_display_that_has_left_the_host_is_not_its_console) {
        _cleanup_host_ Host host = HOST(NIC "/boot_vga=1\n");

        ck_assert_int_eq(treegen_unbind(host.tree->fd, ONE, "nvme"), 0);
        ck_assert_int_eq(treegen_add_driver(host.tree->fd, "vfio-pci"), 0);
        ck_assert_int_eq(treegen_bind(host.tree->fd, ONE, "vfio-pci"), 0);
        assert_uses(&host, "");
}
END_TEST

START_TEST(what_was_made_of_a_device_is_told) {
        _cleanup_host_ Host host = HOST(NIC "/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001/subsystem>../../bus/mdev");
        _cleanup_host_ Host vdpa = HOST(NIC "/vdpa0/subsystem>../../bus/vdpa");
        _cleanup_host_ Host queue = HOST(NIC "/dsa0/subsystem>../../bus/dsa", NIC "/dsa0/driver>../../x", NIC "/dsa0/wq0.0/subsystem>../../bus/dsa",
                NIC "/dsa0/wq0.0/driver>..", NIC "/dsa0/wq0.1/subsystem>../../bus/dsa");

        assert_uses(&host, "child 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 mdev\n");
        assert_uses(&vdpa, "child vdpa0 vdpa\n");
        assert_uses(&queue, "child wq0.0 dsa\n");
}
END_TEST

START_TEST(uses_belong_to_the_function_that_has_them) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK, MOUNTED("259:1", "/srv", "ext4", "/dev/x", "rw"));
        _cleanup_free_ char *text = uses_of(&host, "0000:01:00.1");
        const InUseRoots roots = { host.tree->fd, host.proc_fd, -EBADF };
        const PciAddress both[] = { address_of("0000:01:00.1"), address_of(ONE) };
        _cleanup_(use_list_done) UseList list = {};

        ck_assert_str_eq(text, "");
        ck_assert_int_eq(in_use_read(&roots, both, 2, &list), 0);
        ck_assert_uint_eq(list.n_items, 1);
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&list.items[0].device), ONE);
}
END_TEST

/* What hangs together in a circle in a tree that was made to, ends. */
START_TEST(circles_end) {
        _cleanup_host_ Host host = HOST(PLAIN_DISK, DISK "/holders/nvme0n1p1>x", DISK "/nvme0n1p1/holders/nvme0n1>x", ETH0, NET "/master>../eth0",
                NET "/loop>..");

        assert_uses(&host, "holder nvme0n1 nvme0n1p1\nholder nvme0n1p1 nvme0n1\nport eth0 eth0\n");
}
END_TEST

SUITE("in-use", an_idle_device_is_not_in_use, a_device_that_is_gone_is_not_in_use, a_mounted_partition_is_told_by_its_number_and_every_mount_point,
      many_mounts_are_counted, a_file_system_without_a_number_is_told_by_its_source_or_options,
      a_mount_is_found_through_a_volume_on_an_encrypted_array, a_partition_of_an_array_counts, swap_is_told_by_the_name_of_its_partition,
      a_disk_of_a_multipath_controller_is_used_through_its_head, a_registered_bcache_device_is_in_use,
      a_loop_device_on_a_disk_is_found_by_its_backing_file, every_member_of_a_mounted_btrfs_is_in_use,
      a_member_of_an_imported_zfs_pool_is_in_use_and_one_of_another_pool_is_not, a_disk_behind_a_controller_of_another_bus_is_found,
      mounts_that_cannot_be_read_count_as_in_use, an_interface_with_routes_and_addresses_is_in_use, a_link_local_address_alone_does_not_count,
      a_default_route_of_ipv6_counts, what_is_on_a_bond_and_its_bridge_is_on_their_port,
      an_interface_of_another_namespace_is_noticed_by_its_absence, routes_that_are_too_many_to_be_searched_count_as_in_use,
      the_console_is_found_on_a_display_and_on_a_serial_line, a_display_that_has_left_the_host_is_not_its_console,
      what_was_made_of_a_device_is_told, uses_belong_to_the_function_that_has_them, circles_end)
