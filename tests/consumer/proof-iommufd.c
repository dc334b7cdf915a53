/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <sys/mman.h>

#include "host/vfio-uapi.h"
#include "tests/consumer/proof.h"

static bool bind_device(Proof *proof, int iommufd, const ReceivedFd *device) {
        struct uapi_vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
        struct vfio_device_info info = { .argsz = sizeof(info) };
        int r;

        r = ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info);
        proof_expect_errno(proof, r, errno, EINVAL, "use before BIND", device->name);

        r = ioctl(device->fd, UAPI_VFIO_DEVICE_BIND_IOMMUFD, &bind);
        if (!proof_expect_done(proof, r, errno, "BIND to the iommufd", device->name))
                return false;

        bind = (struct uapi_vfio_device_bind_iommufd){ .argsz = sizeof(bind), .iommufd = iommufd };
        r = ioctl(device->fd, UAPI_VFIO_DEVICE_BIND_IOMMUFD, &bind);
        proof_expect_errno(proof, r, errno, EINVAL, "a second BIND", device->name);
        return true;
}

static bool new_ioas(Proof *proof, int iommufd, uint32_t *ret) {
        struct uapi_iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
        int r = ioctl(iommufd, UAPI_IOMMU_IOAS_ALLOC, &alloc);

        if (!proof_expect(proof, r == 0, "iommufd: an address space is made, %u", alloc.out_ioas_id))
                return false;

        *ret = alloc.out_ioas_id;
        return true;
}

static int attach(const ReceivedFd *device, uint32_t ioas) {
        struct uapi_vfio_device_attach_iommufd_pt request = { .argsz = sizeof(request), .pt_id = ioas };

        return ioctl(device->fd, UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, &request);
}

static bool has_group_mate_before(const Received *received, size_t index) {
        long group = proof_read_group(received->devices[index].name);

        for (size_t i = 0; i < index; i++)
                if (group >= 0 && proof_read_group(received->devices[i].name) == group)
                        return true;
        return false;
}

static void attach_all(Proof *proof, const Received *received, uint32_t ioas, uint32_t other_ioas) {
        for (size_t i = 0; i < received->n_devices; i++) {
                const ReceivedFd *device = &received->devices[i];
                int r;

                if (has_group_mate_before(received, i)) {
                        r = attach(device, other_ioas);
                        proof_expect_errno(proof, r, errno, EINVAL, "ATTACH to another address space than its group's", device->name);
                }

                r = attach(device, ioas);
                proof_expect_done(proof, r, errno, "ATTACH to the one address space of all", device->name);
        }
}

static void map_page(Proof *proof, int iommufd, uint32_t ioas) {
        struct uapi_iommu_ioas_map map = { .size = sizeof(map), .flags = UAPI_IOMMU_IOAS_MAP_WRITEABLE | UAPI_IOMMU_IOAS_MAP_READABLE, .ioas_id = ioas };
        size_t size = 0;
        void *page;
        int r;

        page = proof_new_page(&size);
        map.user_va = (uintptr_t) page;
        map.length = size;
        r = page ? ioctl(iommufd, UAPI_IOMMU_IOAS_MAP, &map) : -1;
        proof_expect(proof, r == 0, "iommufd: a page of this process is mapped into address space %u", ioas);
        if (r < 0 && page)
                (void) munmap(page, size);
}

void proof_iommufd(Proof *proof, const Received *received) {
        struct uapi_iommu_option option = { .size = sizeof(option), .option_id = UAPI_IOMMU_OPTION_RLIMIT_MODE, .op = UAPI_IOMMU_OPTION_OP_GET };
        int iommufd = received_find_shared(received, "iommufd");
        uint32_t ioas, other_ioas;

        if (!proof_expect(proof, iommufd >= 0 && received->n_shared == 1, "iommufd: is the one shared fd"))
                return;
        proof_expect(proof, ioctl(iommufd, UAPI_IOMMU_OPTION, &option) == 0 && option.val64 == UAPI_IOMMU_RLIMIT_MODE_PROCESS,
                     "iommufd: pinned memory is accounted to the process");

        for (size_t i = 0; i < received->n_devices; i++)
                if (!bind_device(proof, iommufd, &received->devices[i]))
                        return;
        if (!new_ioas(proof, iommufd, &ioas) || !new_ioas(proof, iommufd, &other_ioas))
                return;

        attach_all(proof, received, ioas, other_ioas);
        map_page(proof, iommufd, ioas);
        for (size_t i = 0; i < received->n_devices; i++)
                proof_device(proof, &received->devices[i]);
}
