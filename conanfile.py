import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, rm, rmdir

required_conan_version = ">=2.0"


class WeirConan(ConanFile):
    name = "weir"
    version = "1.0.0"
    description = "Zero-copy publish/subscribe between the processes of one machine, without a daemon"
    license = "Apache-2.0"
    url = "https://github.com/conan-io/conan-center-index"
    topics = ("ipc", "publish-subscribe", "zero-copy", "shared-memory", "robotics", "low-latency")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "shared": [True, False],
        "fPIC": [True, False],
        "with_tools": [True, False],  # the program `weir`
        "with_metrics": [True, False],  # weir::metrics, a collector for prometheus-cpp
    }
    default_options = {"shared": False, "fPIC": True, "with_tools": False, "with_metrics": False}
    implements = ["auto_shared_fpic"]

    exports_sources = (
        "CMakeLists.txt", "LICENSE", "cmake/*", "middleware/*", "discovery/*", "schema/*", "gateways/*",
        "tools/CMakeLists.txt", "tools/weir/*",
    )

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        # Both are in Weir's own headers. The upper bounds are what ConanCenter has, not what is known to break.
        self.requires("abseil/[>=20230802.1]", transitive_headers=True, transitive_libs=True)
        self.requires("capnproto/[>=1.0.2 <2]", transitive_headers=True, transitive_libs=True)
        if self.options.with_metrics or self.options.with_tools:
            self.requires("prometheus-cpp/[>=1.1.0 <2]", transitive_headers=True, transitive_libs=True)
        if self.options.with_tools:
            self.requires("cli11/[>=2.3.2 <3]")
            self.requires("nlohmann_json/[>=3.11.2 <4]")
            self.requires("ncurses/[>=6.3 <7]")

    def build_requirements(self):
        self.tool_requires("cmake/[>=3.25]")
        self.tool_requires("capnproto/<host_version>")  # the schema compiler

    def validate(self):
        check_min_cppstd(self, 20)
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("weir is built on futexes and open-file-description locks: Linux only")

    def generate(self):
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "EXAMPLES", "BENCH"):
            toolchain.cache_variables[f"WEIR_BUILD_{part}"] = False
        toolchain.cache_variables["WEIR_BUILD_TOOLS"] = bool(self.options.with_tools)
        toolchain.cache_variables["WEIR_BUILD_METRICS"] = bool(self.options.with_metrics or self.options.with_tools)
        toolchain.cache_variables["WEIR_INSTALL"] = True
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        modules = os.path.join(self.package_folder, "lib", "cmake", "weir")
        rm(self, "weirConfig*.cmake", modules)  # CMakeDeps makes these
        rm(self, "weir*Targets*.cmake", modules)
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))
        rmdir(self, os.path.join(self.package_folder, "share"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "weir")
        # weir_generate_schema(), and weir::messages compiled in the build that uses it.
        modules = os.path.join("lib", "cmake", "weir")
        self.cpp_info.set_property("cmake_build_modules", [
            os.path.join(modules, "weir_generate_schema.cmake"),
            os.path.join(modules, "weir_messages.cmake"),
        ])

        weir = self.cpp_info.components["weir"]
        weir.set_property("cmake_target_name", "weir::weir")
        weir.set_property("pkg_config_name", "weir")
        weir.libs = ["weir"]
        weir.system_libs = ["pthread"]
        weir.requires = [
            "abseil::absl_function_ref", "abseil::absl_status", "abseil::absl_statusor", "abseil::absl_str_format",
            "abseil::absl_strings", "abseil::absl_time", "capnproto::capnp", "capnproto::capnp-json",
        ]

        messages = self.cpp_info.components["messages"]
        messages.set_property("cmake_target_name", "weir::messages")
        messages.bindirs = messages.libdirs = []
        messages.requires = ["capnproto::capnp"]

        if self.options.with_metrics or self.options.with_tools:
            metrics = self.cpp_info.components["metrics"]
            metrics.set_property("cmake_target_name", "weir::metrics")
            metrics.set_property("pkg_config_name", "weir-metrics")
            metrics.libs = ["weir_metrics"]
            metrics.requires = ["weir", "prometheus-cpp::prometheus-cpp-core"]
