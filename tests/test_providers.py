"""What runs a model: names, options and order; a provider that is installed and does not work is never silent."""

from __future__ import annotations

import json
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kit import ROOT, MakeFake, RunSuites

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from phi4bench.artifacts import open_artifact
from phi4bench.backends import BEST, Decoding, Provider, onnx, open_backend, reasons, session
from phi4bench.backends.providers import PROVIDERS, candidates, chain, given, parse_provider
from phi4bench.errors import ArtifactError, UsageError
from phi4bench.run.generation import Settings, _runtime_memory
from phi4bench.run.jobs import Setup, artifact_to_json
from phi4bench.timing import device_of

NANO = ROOT / "fixtures" / "models" / "nano-int8" / "model.onnx"
CPU, CUDA, TENSORRT = PROVIDERS["cpu"], PROVIDERS["cuda"], PROVIDERS["tensorrt"]


# What may be asked


@pytest.mark.parametrize(
    ("name", "options", "level", "says"),
    [
        pytest.param("tpu", [], "all", "--provider='tpu', but should be one of auto, tensorrt, cuda", id="unknown"),
        pytest.param("cuda", [], "most", "--graph-optimization='most', but should be one of disabled", id="no-level"),
        pytest.param("cuda", ["device_id"], "all", "should be KEY=VALUE", id="no-value"),
        pytest.param("cuda", ["=1"], "all", "should be KEY=VALUE", id="no-key"),
        pytest.param("cuda", ["a=1", "a=2"], "all", "contradicts a=1", id="two-values"),
        pytest.param("cuda", ["device_id=-1"], "all", "should be 0 or more", id="negative-device"),
        pytest.param("cpu", ["device_id=1"], "all", "the CPU has none", id="options-of-the-cpu"),
        pytest.param("auto", ["device_id=1"], "all", "name its provider", id="options-of-nobody"),
    ],
)
def test_a_request_that_means_nothing_is_refused(name: str, options: list[str], level: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_provider(name, options, level)
    assert says in str(caught.value)


def test_auto_takes_the_fastest_that_is_installed_and_openvino_only_by_name() -> None:
    assert candidates(BEST, [CPU, CUDA, TENSORRT]) == ("tensorrt", "cuda", "cpu")
    assert candidates(BEST, [PROVIDERS["openvino"], CPU]) == ("cpu",)
    assert candidates(Provider("openvino"), [PROVIDERS["openvino"], CPU]) == ("openvino",)


def test_what_tensorrt_leaves_goes_to_cuda_each_with_its_own_options() -> None:
    asked = (("device_id", "1"), ("gpu_mem_limit", "1000"), ("trt_engine_cache_path", "engines"))
    assert chain("tensorrt", asked) == [
        (TENSORRT, {"device_id": "1", "trt_engine_cache_path": "engines", "trt_engine_cache_enable": "1"}),
        (CUDA, {"device_id": "1", "gpu_mem_limit": "1000", "sdpa_kernel": "19"}),
        (CPU, {}),
    ]
    assert chain("cpu", ()) == [(CPU, {})]


# What becomes of it


class Silent:
    """onnxruntime as built with CUDA and TensorRT on a machine that lacks their libraries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import onnxruntime as ort

        self.asked: list[str] = []
        real = ort.InferenceSession

        def session_of(path: str, options: Any, providers: list[tuple[str, Any]], **_: Any) -> Any:
            self.asked.append(providers[0][0])
            if providers[0][0] == TENSORRT:
                raise RuntimeError("FAIL : Please install TensorRT libraries")
            return real(path, options, providers=[CPU])  # the CPU, and not a word

        monkeypatch.setattr(ort, "InferenceSession", session_of)
        monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])


def test_auto_falls_back_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Silent(monkeypatch)
    backend: Any = open_backend(open_artifact(str(NANO)), threads=1, batch=1)
    assert runtime.asked[-3:] == [TENSORRT, CUDA, CPU]
    assert backend.identity()["provider"] == CPU
    tensorrt, cuda = backend.notes
    assert "tensorrt was tried and left" in tensorrt
    assert "Please install TensorRT" in tensorrt
    assert "went back to the CPU without a word" in cuda


class Claiming:
    """A session of the CPU that says it is of another provider."""

    def __init__(self, session: Any, name: str) -> None:
        self._session, self._name = session, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._session, attribute)

    def get_providers(self) -> list[str]:
        return [self._name, CPU]


@pytest.fixture
def all_left_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """MIGraphX, whose arrays lie in main memory, takes no node of any file."""
    import onnxruntime as ort

    real, name = ort.InferenceSession, PROVIDERS["migraphx"]

    def session_of(path: str, options: Any, providers: list[tuple[str, Any]], **_: Any) -> Any:
        made = real(path, options, providers=[CPU])
        return Claiming(made, name) if providers[0][0] == name else made

    monkeypatch.setattr(ort, "InferenceSession", session_of)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [name, CPU])


@pytest.mark.usefixtures("all_left_to_the_cpu")
def test_auto_leaves_a_provider_that_leaves_attention_to_the_cpu() -> None:
    backend: Any = open_backend(open_artifact(str(NANO)), threads=1, batch=1)
    assert backend.identity()["provider"] == CPU
    note = (
        "--provider auto: migraphx was tried and left: migraphx leaves attention to the CPU (4 of GroupQueryAttention)"
    )
    assert backend.notes == [note]


@pytest.mark.usefixtures("all_left_to_the_cpu")
def test_what_was_loaded_by_a_provider_that_is_left_is_gone_before_the_next_one_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A large model would lie in memory twice."""
    opened: list[Any] = []
    there: list[int] = []
    real = onnx.open_decoder

    def counted(*given: Any, **named: Any) -> Any:
        there.append(sum(one() is not None for one in opened))
        decoder = real(*given, **named)
        opened.append(weakref.ref(decoder.session))
        return decoder

    monkeypatch.setattr(onnx, "open_decoder", counted)
    open_backend(open_artifact(str(NANO)), threads=1, batch=1)
    assert there == [0, 0]


@pytest.mark.usefixtures("all_left_to_the_cpu")
def test_a_provider_asked_for_by_name_that_leaves_attention_to_the_cpu_is_noted() -> None:
    backend: Any = open_backend(open_artifact(str(NANO)), threads=1, batch=1, provider=Provider("migraphx"))
    assert backend.identity()["provider"] == PROVIDERS["migraphx"]
    assert backend.notes == ["migraphx leaves attention to the CPU (4 of GroupQueryAttention)"]


def test_who_leaves_attention_on_cuda_hears_of_half_precision() -> None:
    assert session.left_note("cuda", {"Attention": 2}, np.float32) == (
        "cuda leaves attention to the CPU (2 of Attention): it takes fp16, which `python -m trainers half` writes"
    )
    in_half = session.left_note("cuda", {"Attention": 2}, np.float16)
    assert in_half == "cuda leaves attention to the CPU (2 of Attention)", "`half` would refuse it"


def test_an_onnxruntime_that_does_not_tell_leaves_nothing() -> None:
    assert session.left_to_the_cpu(SimpleNamespace()) == {}


def test_what_a_provider_refuses_is_said_without_the_places_in_its_source() -> None:
    error = RuntimeError(
        "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:63 static"
        " onnxruntime::CUDAExecutionProviderInfo onnxruntime::CUDAExecutionProviderInfo::FromProviderOptions(const"
        " onnxruntime::ProviderOptions&) [ONNXRuntimeError] : 1 : FAIL : provider_options_utils.h:187 Parse Failed to"
        ' parse provider option "device_id": cuda_execution_provider_info.cc:71 operator() Invalid device ID: 7, must'
        " be between 0 (inclusive) and 1 (exclusive).\n"
    )
    assert reasons.unmet(error) == "Invalid device ID: 7, must be between 0 (inclusive) and 1 (exclusive)."
    newer = RuntimeError(
        "[ONNXRuntimeError] : 1 : FAIL : Load model from m/model.onnx failed:/onnxruntime_src/onnxruntime/core/graph/"
        "model.cc:256 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const"
        " onnxruntime::ModelOptions&) Unsupported model IR version: 99, max supported IR version: 14"
    )
    assert reasons.unmet(newer) == "Unsupported model IR version: 99, max supported IR version: 14"
    assert reasons.unmet(RuntimeError("a.cc:1 f x >= 0 was false. x is -1")) == "x is -1"
    assert reasons.unmet(RuntimeError("another\nfault")) == "another fault"


def test_a_call_to_a_devices_library_that_failed_is_said_without_the_places_and_the_host() -> None:
    """As onnxruntime 1.31 told it on a full H100; what went wrong comes behind two templates of C++."""
    where = "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:146 std::conditional_t<THRW, void, "
    where += "onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const "
    where += "char*, const char*, int) [with ERRTYPE = cublasStatus_t; bool THRW = true; SUCCTYPE = cublasStatus_t; "
    where += "std::conditional_t<THRW, void, common::Status> = void] "
    said = "CUBLAS failure 3: the resource allocation failed ; GPU=0 ; hostname=build7 ; "
    said += "file=/onnxruntime_src/cuda_execution_provider.cc ; line=245 ; expr=cublasCreate(&cublas_handle_);\n\n"
    error = RuntimeError(f"[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: {where}{where}{said}")
    for told in (reasons.one_line(error), reasons.unmet(error)):
        assert told == "CUBLAS failure 3: the resource allocation failed, in cublasCreate(&cublas_handle_)"


@pytest.mark.parametrize("name", ["cuda", "tensorrt"])
def test_a_provider_asked_for_by_name_never_becomes_another(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Silent(monkeypatch)
    with pytest.raises(UsageError, match="--provider cpu"):
        open_backend(open_artifact(str(NANO)), threads=1, provider=Provider(name))


def test_what_onnxruntime_logs_of_a_provider_becomes_one_short_reason() -> None:
    logged = (
        "\x1b[1;31m2026-11-25 [E:onnxruntime:Default, provider_bridge_ort.cc:2458] [ONNXRuntimeError] : 1 : FAIL :"
        " Failed to load library /x/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open"
        " shared object file: No such file or directory\n\x1b[m\n"
    )
    assert reasons.reason_in(logged) == "libcublasLt.so.13: cannot open shared object file: No such file or directory"
    assert reasons.reason_in("nothing of the kind") == ""


def test_a_file_that_no_provider_can_load_is_the_files_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Silent(monkeypatch)
    artifact = open_artifact(str(NANO))
    broken = tmp_path / "model.onnx"
    broken.write_bytes(NANO.read_bytes()[:1000])
    (tmp_path / "genai_config.json").write_bytes((NANO.parent / "genai_config.json").read_bytes())
    with pytest.raises(ArtifactError, match="export it again, or copy it again"):
        open_backend(replace(artifact, model_file=broken), threads=1)


def test_the_level_of_graph_optimization_reaches_the_session_and_the_identity() -> None:
    seen = []
    for level in ("disabled", "all"):
        backend: Any = open_backend(open_artifact(str(NANO)), threads=1, provider=Provider("cpu", (), level))
        seen.append(str(backend._decoder.session.get_session_options().graph_optimization_level).rpartition(".")[2])
        assert backend.identity()["graph_optimization"] == level
    assert seen == ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"]


def test_cuda_takes_attention_that_plans_nothing_anew_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given("cuda", ()) == {"sdpa_kernel": "19"}
    assert given("cuda", (("sdpa_kernel", "0"),)) == {"sdpa_kernel": "0"}
    assert given("openvino", ()) == {}
    backend: Any = open_backend(open_artifact(str(NANO)), threads=1)
    monkeypatch.setattr(backend, "_provider", Provider("cuda"))
    assert backend.identity()["provider_options"] == {"sdpa_kernel": "19"}, "what a completion was made with"


def test_an_export_in_bfloat16_is_refused_with_what_to_do() -> None:
    node = SimpleNamespace(name="past_key_values.0.key", type="tensor(bfloat16)", shape=["batch", 2, "past", 16])
    with pytest.raises(ArtifactError, match=r"is tensor\(bfloat16\), but should be one of .*; export it in fp16"):
        session._cache_tensor(node, NANO, 16)


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != "cpu"])
def test_only_the_cpu_runs_a_session_from_several_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, threads = onnx.open_decoder, []

    def as_if_by_another(*given: Any, provider: Provider, intra_op: int, **options: Any) -> session.Decoder:
        threads.append(intra_op)
        decoder: session.Decoder = opened(*given, provider=Provider("cpu"), intra_op=1, **options)
        return replace(decoder, in_place_possible=False)

    monkeypatch.setattr(onnx, "installed_providers", lambda: [PROVIDERS[name], CPU])
    monkeypatch.setattr(onnx, "open_decoder", as_if_by_another)
    artifact = open_artifact(str(NANO))
    for asked, lanes in ((Provider("cpu"), 3), (Provider(name), 1)):
        backend: Any = open_backend(artifact, threads=3, provider=asked)
        assert backend.identity()["lanes"] == lanes
    assert threads == [1, 3], "what the provider leaves to the CPU may use all cores"


@pytest.mark.parametrize(
    ("runtime", "device"),
    [
        pytest.param({"provider": CPU}, "cpu", id="cpu"),
        pytest.param({"provider": CUDA}, "gpu", id="cuda"),
        pytest.param({"provider": PROVIDERS["openvino"], "provider_options": {}}, "cpu", id="openvino"),
        pytest.param({"provider": PROVIDERS["openvino"]}, "cpu", id="openvino-without-options"),
        pytest.param(
            {"provider": PROVIDERS["openvino"], "provider_options": {"device_type": "GPU.0"}}, "gpu", id="openvino-gpu"
        ),
        pytest.param({"device": "NVIDIA H100"}, "gpu", id="torch"),
    ],
)
def test_targets_by_device_go_by_what_ran_it(runtime: dict[str, Any], device: str) -> None:
    assert device_of(runtime) == device


# What a run makes of it


def test_completions_are_looked_up_under_what_was_asked(tmp_path: Path, make_fake: MakeFake) -> None:
    artifact = open_artifact(str(make_fake()))
    asked = [BEST, Provider("cpu"), Provider("cuda", (("device_id", "1"),)), Provider("cpu", (), "basic")]
    settings = Settings(Decoding(), None, tmp_path, {})
    places = {_runtime_memory(replace(settings, provider=one).setup(artifact), settings) for one in asked}
    assert len(places) == len(asked)


def test_a_child_opens_what_its_parent_was_asked(make_fake: MakeFake) -> None:
    artifact = open_artifact(str(make_fake()))
    setup = Setup(artifact, Decoding(), 2, None, 4, Provider("cuda", (("device_id", "1"),), "basic"))
    again = Setup.from_json(json.loads(json.dumps(setup.to_json())))
    assert again.provider == setup.provider
    assert artifact_to_json(again.artifact) == artifact_to_json(artifact)


def test_a_provider_that_is_not_there_ends_the_run_before_it_begins(run_suites: RunSuites) -> None:
    done = run_suites("--model", NANO, "--provider", "coreml", "--collect-only")
    assert done.code == 4
    [line] = [line for line in done.lines if line.startswith("ERROR")]
    assert "provider='coreml', but should be one that is installed here (" in line
    assert not (done.report_dir / "report.json").exists()


def test_reports_say_what_was_asked_and_what_ran(run_suites: RunSuites, make_fake: MakeFake) -> None:
    done = run_suites("--model", make_fake(), "--provider", "cpu", "--graph-optimization", "basic", "--threads", "2")
    assert "  run by  --provider cpu, graph optimization basic, 2 threads" in done.lines
    figures = done.artifact()["provider"]
    assert (figures["provider"], figures["graph_optimization"], figures["threads"]) == ("cpu", "basic", 2)
    assert figures["notes"] == []
    assert "asked for cpu" in (done.report_dir / "report.html").read_text()
