/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/in-use.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/children.h"
#include "host/in-use-internal.h"

static void in_use_done(InUse *in_use) {
        for (size_t i = 0; i < in_use->n_blocks; i++) {
                free(in_use->blocks[i].name);
                free(in_use->blocks[i].number);
                free(in_use->blocks[i].alias);
        }
        free(in_use->blocks);
        for (size_t i = 0; i < in_use->n_nets; i++)
                free(in_use->nets[i].name);
        free(in_use->nets);
        strv_free(in_use->serials);
        use_list_done(&in_use->uses);
}

static void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

bool in_use_error_is_ours(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

int in_use_read_lines(InUse *in_use, int dir_fd, const char *path, size_t max, in_use_line_t handler, void *userdata) {
        _cleanup_close_ int fd = RET_NERRNO(openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
        _cleanup_fclose_ FILE *file = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0, total = 0;
        ssize_t n;
        int r = 0;

        if (fd < 0)
                return fd;
        file = fdopen(fd, "re");
        if (!file)
                return -errno;
        TAKE_FD(fd);
        for (errno = 0; r == 0 && (n = getline(&line, &size, file)) >= 0; errno = 0) {
                total += (size_t) n;
                if (total > max)
                        return -EFBIG;
                if (n > 0 && line[n - 1] == '\n')
                        line[n - 1] = '\0';
                r = handler(in_use, line, userdata);
        }
        return r != 0 ? r : -errno;
}

int in_use_read_names(InUse *in_use, int dir_fd, const char *path, in_use_name_t handler, void *userdata) {
        _cleanup_close_ int fd = RET_NERRNO(openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;
        int r = 0;

        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        TAKE_FD(fd);
        for (errno = 0; r == 0 && (entry = readdir(dir)); errno = 0)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = handler(in_use, dirfd(dir), entry->d_name, userdata);
        return r != 0 ? r : errno == ENOENT ? 0 : -errno;
}

static int add_serial(InUse *in_use, const char *name) {
        int r = strv_append(&in_use->serials, name);

        return r < 0 ? r : strv_append(&in_use->serials, PCI_ADDRESS_FORMAT(&in_use->device));
}

static int count_name(InUse *in_use, int fd, const char *name, void *userdata) {
        return 1;
}

/* An interface of another network namespace is not shown, but the directory that groups interfaces is, and goes with the last one. */
static int check_namespace(InUse *in_use, int net_fd) {
        int r = in_use_read_names(in_use, net_fd, ".", count_name, NULL);

        return r == 0 ? use_list_add(&in_use->uses, USE_OTHER_NAMESPACE, &in_use->device, NULL, NULL) : r < 0 ? r : 0;
}

/* Consoles start on the first framebuffer, or, where the kernel prefers it, on that of the firmware's display
 * (drivers/video/fbdev/core/fbcon.c, fbcon_fb_registered and fbcon_select_primary). */
static int add_framebuffer(InUse *in_use, const char *name) {
        return string_equal(name, "fb0") ? use_list_add(&in_use->uses, USE_FRAMEBUFFER, &in_use->device, name, NULL) : 0;
}

/* A work queue that is enabled has a driver (drivers/dma/idxd/device.c, idxd_drv_enable_wq). */
static int add_work_queue(InUse *in_use, const ChildDevice *child) {
        int r = strncmp(child->name, "wq", 2) == 0 ? exists_at(child->fd, "driver") : 0;

        return r <= 0 ? r : use_list_add(&in_use->uses, USE_CHILD, &in_use->device, child->name, "dsa");
}

static int on_child(const ChildDevice *child, void *userdata) {
        InUse *in_use = userdata;
        int r = 0;

        if (!child->subsystem)
                return string_equal(child->name, "net") ? check_namespace(in_use, child->fd) : 0;
        if (string_equal(child->subsystem, "block"))
                r = in_use_add_block(in_use, child->name, &in_use->device);
        else if (string_equal(child->subsystem, "net"))
                r = in_use_add_net(in_use, child->name, &in_use->device);
        else if (string_equal(child->subsystem, "tty"))
                r = add_serial(in_use, child->name);
        else if (string_equal(child->subsystem, "graphics"))
                r = add_framebuffer(in_use, child->name);
        else if (string_equal(child->subsystem, "dsa"))
                r = add_work_queue(in_use, child);
        else if (string_equal(child->subsystem, "mdev") || string_equal(child->subsystem, "vdpa"))
                r = use_list_add(&in_use->uses, USE_CHILD, &in_use->device, child->name, child->subsystem);
        return r < 0 ? r : 0;
}

/* A display on a VFIO driver has left the host already. */
static int read_boot_display(InUse *in_use) {
        char path[sizeof("bus/pci/devices//boot_vga") + PCI_ADDRESS_STRING_MAX], text[8];
        _cleanup_free_ char *driver = NULL;
        int r;

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/boot_vga", PCI_ADDRESS_FORMAT(&in_use->device));
        if (attribute_read_at(in_use->roots->sysfs_fd, path, text, sizeof(text)) < 0 || !string_equal(text, "1"))
                return 0;
        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver", PCI_ADDRESS_FORMAT(&in_use->device));
        r = link_basename_at(in_use->roots->sysfs_fd, path, &driver);
        if (in_use_error_is_ours(r))
                return r;
        if (driver && strstr(driver, "vfio"))
                return 0;
        return use_list_add(&in_use->uses, USE_BOOT_DISPLAY, &in_use->device, NULL, NULL);
}

/* What hangs below it could not be looked at: then nothing is known of any kind. */
static int add_unknown(InUse *in_use, int error) {
        static const UseKind kinds[] = { USE_MOUNT, USE_ADDRESS, USE_FRAMEBUFFER, USE_CHILD };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(kinds); i++)
                r = use_list_add_unknown(&in_use->uses, kinds[i], &in_use->device, error);
        return r;
}

static int read_device(InUse *in_use, const PciAddress *device) {
        int r;

        in_use->device = *device;
        r = children_walk(in_use->roots->sysfs_fd, device, on_child, in_use);
        if (in_use_error_is_ours(r))
                return r;
        if (r == -ENOENT || r == -ENODEV)
                return 0;
        if (r < 0)
                r = add_unknown(in_use, r);
        return r < 0 ? r : read_boot_display(in_use);
}

static bool is_console(const char *cmdline, const char *tty) {
        size_t length = strlen(tty);

        for (const char *p = cmdline; (p = strstr(p, "console=")); p += strlen("console=")) {
                const char *name = p + strlen("console=");

                if ((p == cmdline || p[-1] == ' ') && strncmp(name, tty, length) == 0 && strchr(", \n", name[length]))
                        return true;
        }
        return false;
}

static int read_serial_consoles(InUse *in_use) {
        _cleanup_free_ char *cmdline = NULL;
        PciAddress device;
        int r = 0;

        if (!in_use->serials || attribute_read_alloc_at(in_use->roots->proc_fd, "cmdline", &cmdline) < 0)
                return 0;
        for (size_t i = 0; r >= 0 && in_use->serials[i]; i += 2)
                if (is_console(cmdline, in_use->serials[i]) && pci_address_parse(in_use->serials[i + 1], &device) >= 0)
                        r = use_list_add(&in_use->uses, USE_SERIAL_CONSOLE, &device, in_use->serials[i], NULL);
        return r;
}

/* `r` of a look at all nodes of a kind; what kept it from being whole is said of each function that has one. */
static int note_blocks(InUse *in_use, UseKind kind, int r) {
        if (r >= 0 || in_use_error_is_ours(r))
                return r;
        for (size_t i = 0; i < in_use->n_blocks; i++)
                if (use_list_add_unknown(&in_use->uses, kind, &in_use->blocks[i].device, r) < 0)
                        return -ENOMEM;
        return 0;
}

static int note_nets(InUse *in_use, int r) {
        if (r >= 0 || in_use_error_is_ours(r))
                return r;
        for (size_t i = 0; i < in_use->n_nets; i++)
                if (use_list_add_unknown(&in_use->uses, USE_ADDRESS, &in_use->nets[i].device, r) < 0)
                        return -ENOMEM;
        return 0;
}

static int read_blocks(InUse *in_use) {
        int r;

        r = note_blocks(in_use, USE_BLOCK_HOLDER, in_use_follow_blocks(in_use));
        if (r >= 0)
                r = note_blocks(in_use, USE_MOUNT, in_use_read_mounts(in_use));
        if (r >= 0)
                r = note_blocks(in_use, USE_BLOCK_HOLDER, in_use_read_pools(in_use));
        if (r >= 0)
                r = note_blocks(in_use, USE_SWAP, in_use_read_swaps(in_use));
        return r;
}

int in_use_read(const InUseRoots *roots, const PciAddress *devices, size_t n_devices, UseList *ret) {
        _cleanup_(in_use_done) InUse in_use = { .roots = roots };
        int r = 0;

        assert(roots && (devices || n_devices == 0) && ret);

        for (size_t i = 0; r >= 0 && i < n_devices; i++)
                r = read_device(&in_use, &devices[i]);
        if (r >= 0 && in_use.n_blocks > 0)
                r = read_blocks(&in_use);
        if (r >= 0 && in_use.n_nets > 0)
                r = note_nets(&in_use, in_use_follow_nets(&in_use));
        if (r >= 0 && in_use.n_nets > 0)
                r = note_nets(&in_use, in_use_read_routes(&in_use));
        if (r >= 0)
                r = read_serial_consoles(&in_use);
        if (r < 0)
                return r;
        *ret = in_use.uses;
        in_use.uses = (UseList) {};
        return 0;
}
