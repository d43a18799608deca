"""Run by the Python of a runtime: what it says to each model, "" where it was loaded; JSON in, JSON out.

    load_models.py PROVIDER MODELS ANSWERS      ONNX Runtime; a node that another provider gets is an error
    load_models.py openvino MODELS ANSWERS      OpenVINO's reader of ONNX

Imports nothing but the runtime, whose Python may be an old one.
"""

import base64
import json
import sys

provider, models, answers = sys.argv[1:]
if provider == "openvino":
    import openvino

    version = openvino.__version__.partition("-")[0]
    load = openvino.Core().read_model
else:
    import onnxruntime

    version = onnxruntime.__version__
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if provider != "CPUExecutionProvider":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")

    def load(model):
        onnxruntime.InferenceSession(model, options, providers=[provider])


said = []
with open(models) as file:
    for model in json.load(file):
        try:
            load(base64.b64decode(model))
            said.append("")
        except Exception as error:
            said.append(str(error) or type(error).__name__)
with open(answers, "w") as file:
    json.dump({"version": version, "said": said}, file)
