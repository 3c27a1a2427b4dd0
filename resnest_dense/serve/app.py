"""The service: a page at ``/``, JSON at ``/predict``, ``/health`` and ``/model``."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path, PureWindowsPath

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.requests import ClientDisconnect

from resnest_dense.errors import log_traceback
from resnest_dense.runtime.runner import Runner
from resnest_dense.serve.answers import describe
from resnest_dense.serve.batches import Batches
from resnest_dense.serve.uploads import Limits, Refused, decode, find_file, read_body

__all__ = ["make_app"]

_PAGE = Path(__file__).with_name("page.html")
_RETRY_AFTER = "2"  # seconds


def make_app(runner: Runner, limits: Limits) -> FastAPI:
    """The service on a model; clients are held to the limits."""
    return _Service(runner, limits).app


class _Service:
    def __init__(self, runner: Runner, limits: Limits):
        self._runner, self._limits = runner, limits
        self._inside = self._answered = 0  # touched by the event loop alone
        # Only so many images are unfolded: those in the model and the next ones.
        self._unfolded = CapacityLimiter(2 * limits.batch)
        self._batches = Batches(runner.infer, runner.shape, limits.batch)
        self.app = app = FastAPI(title="resnest-dense", docs_url=None, redoc_url=None,
                                 lifespan=self._lifespan)
        app.get("/", include_in_schema=False)(self._page)
        app.get("/health")(self._health)
        app.get("/model")(self._model)
        app.post("/predict")(self._predict)

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        yield
        self._batches.close()

    async def _page(self) -> FileResponse:
        return FileResponse(_PAGE)

    async def _health(self) -> dict:
        """Whether the service answers, how many requests are being answered and have been."""
        return {"status": "ok", "waiting": self._inside, "answered": self._answered}

    async def _model(self) -> dict:
        """What the exported file says of itself; of what it was made from the names alone, since
        folders are no client's business."""
        said = asdict(self._runner.contract)
        said["made_from"] = {key: PureWindowsPath(value).name if key in ("config", "checkpoint")
                             else value for key, value in said["made_from"].items()}
        return said

    async def _predict(self, request: Request) -> JSONResponse:
        """What is found in the image in the form's field ``image``, and the milliseconds of each
        step."""
        full = self._inside >= self._limits.waiting
        try:
            if full:
                await read_body(request, self._limits, keep=False)
                raise Refused(503, f"{self._limits.waiting} images are waiting: try again.")
            self._inside += 1
            body = await read_body(request, self._limits)
            content = await find_file(request.headers, body)
            return JSONResponse(await to_thread.run_sync(self._run, content,
                                                         limiter=self._unfolded))
        except Refused as error:
            again = {"Retry-After": _RETRY_AFTER} if error.status == 503 else None
            return JSONResponse({"error": str(error)}, error.status, headers=again)
        except ClientDisconnect:
            return JSONResponse({"error": "The client has gone."}, 400)
        except Exception as error:  # of the model or of ours; the next image may do
            log_traceback("An image failed:")
            return JSONResponse({"error": f"The model failed: {error}"}, 500)
        finally:
            self._inside -= not full
            self._answered += 1

    def _run(self, content: bytes) -> dict:
        clock = [time.perf_counter()]
        image, notes = decode(content, self._limits)
        clock.append(time.perf_counter())
        prepared = self._runner.prepare(image)
        clock.append(time.perf_counter())
        output, start, batch = self._batches.submit(prepared).result()
        clock += [start, time.perf_counter()]
        found = describe(self._runner.finish(output, prepared, image),
                         self._runner.contract.classes)
        clock.append(time.perf_counter())
        steps = ("read", "resize", "wait", "model", "finish")
        times = {step: round(1000 * (end - start), 1)
                 for step, start, end in zip(steps, clock, clock[1:])}
        return {"width": image.shape[1], "height": image.shape[0], "notes": notes,
                "found": found, "milliseconds": times, "batch": batch}
